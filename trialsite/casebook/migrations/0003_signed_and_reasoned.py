"""Behind the service: signatures fall with what they cover, and a completed record changes for a reason only."""

from django.db import migrations

from trialsite.staff.operations import Signable

REASON = """
CREATE FUNCTION edc_reasoned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF trim(coalesce(current_setting('edc.reason', true), '')) = '' THEN
        RAISE EXCEPTION 'a completed record changes for a reason only' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER casebook_record_reasoned BEFORE UPDATE ON casebook_record
    FOR EACH ROW WHEN (OLD.state = 'complete' AND OLD.data IS DISTINCT FROM NEW.data)
    EXECUTE FUNCTION edc_reasoned();
"""


class Migration(migrations.Migration):
    dependencies = [("casebook", "0002_scores"), ("staff", "0002_signatures_fall")]

    operations = [
        migrations.RunSQL(
            REASON, "DROP TRIGGER casebook_record_reasoned ON casebook_record; DROP FUNCTION edc_reasoned();"
        ),
        Signable("casebook_record", kind="record", columns=("data", "state", "version")),
    ]
