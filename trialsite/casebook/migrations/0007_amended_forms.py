"""A record may come under another version of the protocol: that of its participant, and no other."""

from django.db import migrations

from trialsite.audit.operations import Frozen

BOUND = """
DROP TRIGGER casebook_record_frozen ON casebook_record;
CREATE FUNCTION edc_bound_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.protocol_version_id <> (SELECT protocol_version_id FROM participants_participant WHERE id = NEW.participant_id)
    THEN
        RAISE EXCEPTION 'a record comes under the version that its participant is bound to, no other'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER casebook_record_bound BEFORE UPDATE OF protocol_version_id ON casebook_record
    FOR EACH ROW WHEN (OLD.protocol_version_id IS DISTINCT FROM NEW.protocol_version_id)
    EXECUTE FUNCTION edc_bound_version();
"""
UNBOUND = """
DROP TRIGGER casebook_record_bound ON casebook_record;
DROP FUNCTION edc_bound_version();
"""


class Migration(migrations.Migration):

    dependencies = [("casebook", "0006_blinding")]

    operations = [
        migrations.RunSQL(BOUND, UNBOUND),
        Frozen(
            "casebook_record",
            allow_update=(
                "data",
                "state",
                "version",
                "observed_on",
                "updated_by_id",
                "updated_at",
                "protocol_version_id",
            ),
        ),
    ]
