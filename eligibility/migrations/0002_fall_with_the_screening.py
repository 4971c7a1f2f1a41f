"""A signed verdict falls with what comes to the screening, and with another planned day of the surgery."""

from django.db import migrations

# Behind the services, raw SQL included (21 CFR 11.70); they end it first, with their own reason. A record that the
# signature covers is watched already: here are those that came later, or were drafts. The screening are the events
# whose records the signature covers. Runs as its owner: the signature falls although whoever saves may not see it.
FALL = """
CREATE FUNCTION edc_verdict_falls_with_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
CREATE TRIGGER casebook_record_screened AFTER INSERT ON casebook_record
    FOR EACH ROW EXECUTE FUNCTION edc_verdict_falls_with_record();
CREATE TRIGGER casebook_record_screened_change AFTER UPDATE ON casebook_record
    FOR EACH ROW WHEN (OLD.data IS DISTINCT FROM NEW.data OR OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION edc_verdict_falls_with_record();

CREATE FUNCTION edc_verdict_falls_with_day() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE staff_signature
       SET fallen_at = clock_timestamp(),
           fallen_reason = left('surgery planned for ' || coalesce(NEW.planned_surgery_on::text, '–')
                                || coalesce(': ' || nullif(current_setting('edc.reason', true), ''), ''), 300)
     WHERE fallen_at IS NULL
       AND id IN (SELECT signature_id FROM eligibility_signedverdict
                   WHERE participant_id = NEW.id AND surgery_on IS DISTINCT FROM NEW.planned_surgery_on);
    RETURN NULL;
END $$;
CREATE TRIGGER participants_participant_planned AFTER UPDATE OF planned_surgery_on ON participants_participant
    FOR EACH ROW WHEN (OLD.planned_surgery_on IS DISTINCT FROM NEW.planned_surgery_on)
    EXECUTE FUNCTION edc_verdict_falls_with_day();
"""
BACK = """
DROP TRIGGER casebook_record_screened ON casebook_record;
DROP TRIGGER casebook_record_screened_change ON casebook_record;
DROP TRIGGER participants_participant_planned ON participants_participant;
DROP FUNCTION edc_verdict_falls_with_record();
DROP FUNCTION edc_verdict_falls_with_day();
"""


class Migration(migrations.Migration):

    dependencies = [
        ("eligibility", "0001_verdicts"),
        ("casebook", "0017_locks_reach_further"),
        ("participants", "0008_where_obtained"),
    ]

    operations = [migrations.RunSQL(FALL, BACK)]
