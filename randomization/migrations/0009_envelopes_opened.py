"""When an envelope was opened; whoever reads the ledger reads who entered one wrongly."""

from django.db import migrations, models

SEQUENCE = r"""
DROP POLICY audit_event_sequence ON audit_event;
CREATE POLICY audit_event_sequence ON audit_event FOR SELECT USING (
    NOT reveals_arm
    AND (site_id IS NULL AND (
            table_name = ANY ('{randomization_scheme,randomization_era,randomization_attestation,randomization_access}')
            OR table_name = 'randomization_allocation' AND action = ANY ('{view,export}'))
         OR table_name = 'randomization_envelope')
    AND (SELECT edc_everywhere('ledger.view')));
"""


class Migration(migrations.Migration):
    dependencies = [("randomization", "0008_counts_of_other_hospitals")]

    operations = [
        migrations.AddField(
            model_name="allocation",
            name="opened_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="envelope opened at"),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(("opened_at", None))
                | models.Q(("kind", "emergency"), ("opened_at__lte", models.F("allocated_at"))),
                name="allocation_opened_before_entered",
            ),
        ),
        migrations.RunSQL(SEQUENCE, migrations.RunSQL.noop),
    ]
