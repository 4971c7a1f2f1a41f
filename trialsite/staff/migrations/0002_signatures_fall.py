"""A signature falls when a row that it covers changes, whichever way it changes."""

from django.db import migrations

FALL = """
-- Runs as its owner: a signature falls although the one who changes the row may not see it.
CREATE FUNCTION edc_fall() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE staff_signature
       SET fallen_at = clock_timestamp(),
           fallen_reason = left(coalesce(nullif(current_setting('edc.reason', true), ''), TG_TABLE_NAME || ' changed'), 300)
     WHERE fallen_at IS NULL
       AND id IN (SELECT signature_id FROM staff_signedversion WHERE kind = TG_ARGV[0] AND record_id = NEW.id);
    RETURN NULL;
END $$;

-- What fell does not stand again.
CREATE FUNCTION edc_stay_fallen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a signature that has fallen does not stand again' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER staff_signature_stays_fallen BEFORE UPDATE ON staff_signature
    FOR EACH ROW WHEN (OLD.fallen_at IS NOT NULL) EXECUTE FUNCTION edc_stay_fallen();
"""


class Migration(migrations.Migration):
    dependencies = [("staff", "0001_people")]

    operations = [
        migrations.RunSQL(
            FALL,
            "DROP TRIGGER staff_signature_stays_fallen ON staff_signature;"
            "DROP FUNCTION edc_stay_fallen(); DROP FUNCTION edc_fall();",
        )
    ]
