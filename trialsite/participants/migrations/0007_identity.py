"""Who a participant is can be corrected, or be said to be not available; either is looked at for the same person."""

from django.db import migrations, models

from trialsite.audit.operations import Frozen

THAWED = "DROP TRIGGER participants_identity_frozen ON participants_identity"
COMPARED = """
DROP TRIGGER participants_identity_same ON participants_identity;
CREATE TRIGGER participants_identity_same AFTER INSERT OR UPDATE OF digests ON participants_identity
    FOR EACH ROW EXECUTE FUNCTION edc_same_person();
"""


class Migration(migrations.Migration):

    dependencies = [("participants", "0006_corrected_consents")]

    operations = [
        migrations.AddField(
            model_name="identity",
            name="unavailable",
            field=models.CharField(blank=True, default="", max_length=300, verbose_name="not available"),
        ),
        migrations.AddConstraint(
            model_name="identity",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("digests__len", 0), models.Q(("unavailable", ""), _negated=True)),
                    models.Q(("digests__len__gt", 0), ("unavailable", "")),
                    _connector="OR",
                ),
                name="identity_known_or_why_not",
            ),
        ),
        migrations.RunSQL(THAWED, migrations.RunSQL.noop),
        Frozen("participants_identity", allow_update=("digests", "unavailable")),
        migrations.RunSQL(COMPARED, migrations.RunSQL.noop),
    ]
