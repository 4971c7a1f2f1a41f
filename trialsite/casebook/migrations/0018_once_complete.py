"""A draft that had been complete before it was brought over keeps changing for a reason only."""

from django.db import migrations, models

from trialsite.audit.operations import Frozen

REASONED = """
DROP TRIGGER casebook_record_frozen ON casebook_record;
DROP TRIGGER casebook_record_reasoned ON casebook_record;
CREATE TRIGGER casebook_record_reasoned BEFORE UPDATE ON casebook_record
    FOR EACH ROW WHEN ((OLD.state = 'complete' OR OLD.once_complete) AND OLD.data IS DISTINCT FROM NEW.data)
    EXECUTE FUNCTION edc_reasoned();
DROP TRIGGER casebook_record_stays_complete ON casebook_record;
CREATE TRIGGER casebook_record_stays_complete BEFORE UPDATE ON casebook_record
    FOR EACH ROW WHEN (OLD.state = 'complete' AND NEW.state = 'draft'
                           AND (OLD.protocol_version_id = NEW.protocol_version_id OR NOT NEW.once_complete)
                       OR OLD.once_complete AND NOT NEW.once_complete)
    EXECUTE FUNCTION edc_stays_complete();
"""
AS_BEFORE = """
DROP TRIGGER casebook_record_stays_complete ON casebook_record;
CREATE TRIGGER casebook_record_stays_complete BEFORE UPDATE ON casebook_record
    FOR EACH ROW WHEN (OLD.state = 'complete' AND NEW.state = 'draft'
                       AND OLD.protocol_version_id = NEW.protocol_version_id)
    EXECUTE FUNCTION edc_stays_complete();
DROP TRIGGER casebook_record_reasoned ON casebook_record;
CREATE TRIGGER casebook_record_reasoned BEFORE UPDATE ON casebook_record
    FOR EACH ROW WHEN (OLD.state = 'complete' AND OLD.data IS DISTINCT FROM NEW.data)
    EXECUTE FUNCTION edc_reasoned();
"""


class Migration(migrations.Migration):
    dependencies = [("casebook", "0017_locks_reach_further")]

    operations = [
        migrations.AddField(
            "record",
            "once_complete",
            models.BooleanField(default=False, db_default=False, verbose_name="had been complete"),
        ),
        migrations.RunSQL(REASONED, AS_BEFORE),
        Frozen(
            "casebook_record",
            allow_update=(
                "data",
                "state",
                "once_complete",
                "version",
                "observed_on",
                "updated_by_id",
                "updated_at",
                "protocol_version_id",
                "reveals_arm",
            ),
        ),
    ]
