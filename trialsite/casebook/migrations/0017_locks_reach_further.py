"""Freezes and locks reach what stands beside the records: visits that took place, consents, files, allocations."""

from django.db import migrations

# The event of a row is in the column that the trigger names, or is that of the record that the row belongs to. What is
# only planned (appointments, windows, what is expected) is no data and goes on.
UNLOCKED = """
CREATE FUNCTION edc_unlocked_beside() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    written jsonb := to_jsonb(NEW);
BEGIN
    IF EXISTS (
        SELECT FROM casebook_lock l
          LEFT JOIN casebook_record r ON r.id = (written ->> 'record_id')::bigint
         WHERE l.lifted_at IS NULL
           AND (l.level = 'database'
                OR l.participant_id = NEW.participant_id
                   AND (l.level = 'participant'
                        OR l.level = 'visit' AND l.event IN (written ->> TG_ARGV[0], r.event)
                        OR l.level = 'form' AND l.record_id = r.id))
    ) THEN
        RAISE EXCEPTION 'a freeze or lock stands over a row of %', TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER visits_visit_unlocked BEFORE INSERT ON visits_visit
    FOR EACH ROW WHEN (NEW.state IN ('attended', 'missed'))
    EXECUTE FUNCTION edc_unlocked_beside('code');
CREATE TRIGGER visits_visit_unlocked_change BEFORE UPDATE ON visits_visit
    FOR EACH ROW WHEN (OLD.attended_on IS DISTINCT FROM NEW.attended_on
                       OR OLD.state <> NEW.state
                          AND (OLD.state IN ('attended', 'missed') OR NEW.state IN ('attended', 'missed')))
    EXECUTE FUNCTION edc_unlocked_beside('code');
CREATE TRIGGER participants_consent_unlocked BEFORE INSERT ON participants_consent
    FOR EACH ROW EXECUTE FUNCTION edc_unlocked_beside();
CREATE TRIGGER participants_consent_unlocked_change BEFORE UPDATE ON participants_consent
    FOR EACH ROW WHEN (OLD.patient_signed_at IS DISTINCT FROM NEW.patient_signed_at
                       OR OLD.family_signed_at IS DISTINCT FROM NEW.family_signed_at)
    EXECUTE FUNCTION edc_unlocked_beside();
CREATE TRIGGER attachments_attachment_unlocked BEFORE INSERT ON attachments_attachment
    FOR EACH ROW EXECUTE FUNCTION edc_unlocked_beside();
CREATE TRIGGER attachments_attachment_unlocked_change BEFORE UPDATE ON attachments_attachment
    FOR EACH ROW WHEN (OLD.withdrawn_at IS DISTINCT FROM NEW.withdrawn_at)
    EXECUTE FUNCTION edc_unlocked_beside();
CREATE TRIGGER randomization_allocation_unlocked BEFORE INSERT ON randomization_allocation
    FOR EACH ROW EXECUTE FUNCTION edc_unlocked_beside();
"""
LOCKABLE = """
DROP TRIGGER visits_visit_unlocked ON visits_visit;
DROP TRIGGER visits_visit_unlocked_change ON visits_visit;
DROP TRIGGER participants_consent_unlocked ON participants_consent;
DROP TRIGGER participants_consent_unlocked_change ON participants_consent;
DROP TRIGGER attachments_attachment_unlocked ON attachments_attachment;
DROP TRIGGER attachments_attachment_unlocked_change ON attachments_attachment;
DROP TRIGGER randomization_allocation_unlocked ON randomization_allocation;
DROP FUNCTION edc_unlocked_beside();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("casebook", "0016_stays_complete"),
        ("attachments", "0003_titles_untold"),
        ("participants", "0007_identity"),
        ("randomization", "0008_counts_of_other_hospitals"),
        ("visits", "0004_scattered_more"),
    ]

    operations = [migrations.RunSQL(UNLOCKED, LOCKABLE)]
