"""Under a freeze or lock over everything nobody is registered: the rows that it covers stay the same."""

from django.db import migrations

CLOSED = """
CREATE FUNCTION edc_none_comes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM casebook_lock WHERE lifted_at IS NULL AND level = 'database') THEN
        RAISE EXCEPTION 'a freeze or lock stands over everything: nobody is registered'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER participants_participant_unlocked BEFORE INSERT ON participants_participant
    FOR EACH ROW EXECUTE FUNCTION edc_none_comes();
"""
OPEN = """
DROP TRIGGER participants_participant_unlocked ON participants_participant;
DROP FUNCTION edc_none_comes();
"""


class Migration(migrations.Migration):
    dependencies = [("casebook", "0018_once_complete"), ("participants", "0008_where_obtained")]

    operations = [migrations.RunSQL(CLOSED, OPEN)]
