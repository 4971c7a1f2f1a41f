"""The times of a consent can be corrected, with a reason; the trail keeps the former ones."""

from django.db import migrations, models

from trialsite.audit.operations import Frozen


class Migration(migrations.Migration):

    dependencies = [("participants", "0005_planned_surgery")]

    operations = [
        migrations.AddField(
            "consent",
            "version",
            models.PositiveIntegerField(db_default=1, default=1, verbose_name="version"),
        ),
        migrations.RunSQL(
            "DROP TRIGGER participants_consent_frozen ON participants_consent;",
            "CREATE TRIGGER participants_consent_frozen BEFORE UPDATE OR DELETE ON participants_consent"
            " FOR EACH ROW EXECUTE FUNCTION edc_frozen();",
        ),
        Frozen(
            "participants_consent", allow_update=("patient_signed_at", "family_signed_at", "version")
        ),
    ]
