"""Records of people without a standing verdict cost nothing more; and a consent that changes lets a verdict fall too."""

from django.db import migrations

# The update of 0002 was planned and run for every record, though hardly any has a verdict beside it that could fall.
FALL = """
CREATE OR REPLACE FUNCTION edc_verdict_falls_with_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    verdict record;
BEGIN
    FOR verdict IN
        SELECT w.signature_id FROM eligibility_signedverdict w JOIN staff_signature s ON s.id = w.signature_id
         WHERE w.participant_id = NEW.participant_id AND s.fallen_at IS NULL
    LOOP
        UPDATE staff_signature
           SET fallen_at = clock_timestamp(),
               fallen_reason = left(CASE TG_OP WHEN 'INSERT' THEN 'new: ' ELSE '' END || NEW.event || '/' || NEW.form
                                    || coalesce(': ' || nullif(current_setting('edc.reason', true), ''), ''), 300)
         WHERE id = verdict.signature_id AND fallen_at IS NULL
           AND EXISTS (SELECT FROM staff_signedversion v JOIN casebook_record x ON x.id = v.record_id
                        WHERE v.signature_id = verdict.signature_id AND v.kind = 'record' AND x.event = NEW.event);
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION edc_verdict_falls_with_consent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE staff_signature
       SET fallen_at = clock_timestamp(),
           fallen_reason = left('consent ' || NEW.form_version || ' corrected'
                                || coalesce(': ' || nullif(current_setting('edc.reason', true), ''), ''), 300)
     WHERE fallen_at IS NULL
       AND id IN (SELECT signature_id FROM eligibility_signedverdict WHERE participant_id = NEW.participant_id);
    RETURN NULL;
END $$;
CREATE TRIGGER participants_consent_corrected AFTER UPDATE ON participants_consent
    FOR EACH ROW WHEN (OLD.patient_signed_at IS DISTINCT FROM NEW.patient_signed_at
                       OR OLD.family_signed_at IS DISTINCT FROM NEW.family_signed_at
                       OR OLD.version IS DISTINCT FROM NEW.version)
    EXECUTE FUNCTION edc_verdict_falls_with_consent();
"""
BACK = """
DROP TRIGGER participants_consent_corrected ON participants_consent;
DROP FUNCTION edc_verdict_falls_with_consent();
CREATE OR REPLACE FUNCTION edc_verdict_falls_with_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE staff_signature
       SET fallen_at = clock_timestamp(),
           fallen_reason = left(CASE TG_OP WHEN 'INSERT' THEN 'new: ' ELSE '' END || NEW.event || '/' || NEW.form
                                || coalesce(': ' || nullif(current_setting('edc.reason', true), ''), ''), 300)
     WHERE fallen_at IS NULL
       AND id IN (SELECT w.signature_id FROM eligibility_signedverdict w
                    JOIN staff_signedversion v ON v.signature_id = w.signature_id AND v.kind = 'record'
                    JOIN casebook_record x ON x.id = v.record_id
                   WHERE w.participant_id = NEW.participant_id AND x.event = NEW.event);
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("eligibility", "0002_fall_with_the_screening"),
        ("participants", "0008_where_obtained"),
    ]

    operations = [migrations.RunSQL(FALL, BACK)]
