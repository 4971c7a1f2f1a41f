"""What belongs to the trial as a whole is written by who holds the right at all hospitals, raw SQL included."""

from django.db import migrations

RIGHT = """
CREATE FUNCTION edc_trial_wide() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT edc_everywhere(TG_ARGV[0]) THEN
        RAISE EXCEPTION '% is written by who holds % at all hospitals', TG_TABLE_NAME, TG_ARGV[0]
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [("staff", "0008_keys_by_hand")]

    operations = [migrations.RunSQL(RIGHT, "DROP FUNCTION edc_trial_wide()")]
