"""When a hospital became aware of a serious event is taken back with a reason only, in a draft too."""

from django.db import migrations

# Behind the service. The protocol says which item of which form it is; it is asked only where an answer goes, for its
# document is large. A completed record needs a reason for every change already.
STANDS = """
CREATE FUNCTION edc_awareness_stands() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    aware text;
BEGIN
    IF trim(coalesce(current_setting('edc.reason', true), '')) <> '' OR NOT EXISTS (
        SELECT FROM jsonb_each(OLD.data) one
         WHERE one.value ? 'value' AND NOT coalesce(NEW.data -> one.key ? 'value', false)
    ) THEN
        RETURN NEW;
    END IF;
    SELECT document #>> '{trial,safety,report,aware}' INTO aware FROM protocol_protocolversion
     WHERE id = OLD.protocol_version_id AND document #>> '{trial,safety,report,form}' = OLD.form;
    IF OLD.data -> aware ? 'value' AND NOT coalesce(NEW.data -> aware ? 'value', false) THEN
        RAISE EXCEPTION 'the periods of the report run from awareness: taking it back needs a reason'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER casebook_record_awareness_stands BEFORE UPDATE ON casebook_record
    FOR EACH ROW WHEN (OLD.state = 'draft' AND OLD.data IS DISTINCT FROM NEW.data)
    EXECUTE FUNCTION edc_awareness_stands();
"""
FALLS = """
DROP TRIGGER casebook_record_awareness_stands ON casebook_record;
DROP FUNCTION edc_awareness_stands();
"""


class Migration(migrations.Migration):
    dependencies = [("casebook", "0019_none_comes_under_a_lock"), ("protocol", "0002_trial_wide")]

    operations = [migrations.RunSQL(STANDS, FALLS)]
