"""A record that comes to a signed casebook lets the signature fall, as one that changes does."""

from django.db import migrations

FALL = """
-- Runs as its owner: the signature falls although whoever saves may not see it. The service says the reason first.
CREATE FUNCTION edc_fall_with_more() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE staff_signature
       SET fallen_at = clock_timestamp(),
           fallen_reason = left('new: ' || NEW.event || '/' || NEW.form
                                || coalesce(': ' || nullif(current_setting('edc.reason', true), ''), ''), 300)
     WHERE fallen_at IS NULL
       AND id IN (SELECT signature_id FROM casebook_casebooksignature WHERE participant_id = NEW.participant_id);
    RETURN NULL;
END $$;
CREATE TRIGGER casebook_record_more AFTER INSERT ON casebook_record
    FOR EACH ROW EXECUTE FUNCTION edc_fall_with_more();
"""


class Migration(migrations.Migration):

    dependencies = [("casebook", "0010_hidden_later")]

    operations = [
        migrations.RunSQL(
            FALL, "DROP TRIGGER casebook_record_more ON casebook_record; DROP FUNCTION edc_fall_with_more();"
        )
    ]
