"""The planned day of surgery: validity windows count back from it until the surgery has taken place."""

from django.db import migrations, models

from trialsite.audit.operations import Frozen


class Migration(migrations.Migration):

    dependencies = [("participants", "0004_screening")]

    operations = [
        migrations.AddField(
            "participant",
            "planned_surgery_on",
            models.DateField(blank=True, null=True, verbose_name="planned surgery"),
        ),
        migrations.RunSQL(
            "DROP TRIGGER participants_participant_frozen ON participants_participant;",
            "CREATE TRIGGER participants_participant_frozen BEFORE UPDATE OR DELETE ON participants_participant"
            " FOR EACH ROW EXECUTE FUNCTION edc_frozen('status', 'protocol_version_id');",
        ),
        Frozen(
            "participants_participant", allow_update=("status", "protocol_version_id", "planned_surgery_on")
        ),
    ]
