"""A completed record becomes a draft only by being brought over: as a draft it would change without a reason."""

from django.db import migrations

STAYS = """
CREATE FUNCTION edc_stays_complete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a completed record stays complete under its version' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER casebook_record_stays_complete BEFORE UPDATE ON casebook_record
    FOR EACH ROW WHEN (OLD.state = 'complete' AND NEW.state = 'draft'
                       AND OLD.protocol_version_id = NEW.protocol_version_id)
    EXECUTE FUNCTION edc_stays_complete();
"""
GOES = """
DROP TRIGGER casebook_record_stays_complete ON casebook_record;
DROP FUNCTION edc_stays_complete();
"""


class Migration(migrations.Migration):
    dependencies = [("casebook", "0015_numbers")]

    operations = [migrations.RunSQL(STAYS, GOES)]
