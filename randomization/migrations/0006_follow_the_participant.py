"""Whoever sees a participant sees the allocation, where arms may be seen: after a transfer, the new hospital.

The row itself never changes: its hospital and stratum are those of the day of randomization.
"""

from django.db import migrations

POLICY = """
DROP POLICY {table}_read ON {table};
CREATE POLICY {table}_read ON {table} FOR SELECT USING (EXISTS (
    SELECT FROM participants_participant p WHERE p.id = participant_id
       AND p.site_id = ANY ((SELECT edc_sites('participant.view'))::bigint[])
       AND p.site_id = ANY ((SELECT edc_sites('arm.see'))::bigint[])));
"""


class Migration(migrations.Migration):
    dependencies = [("randomization", "0005_public_value"), ("participants", "0004_screening")]

    operations = [
        migrations.RunSQL(
            "DROP POLICY randomization_correction_read ON randomization_correction;"
            "CREATE POLICY randomization_correction_read ON randomization_correction FOR SELECT USING (EXISTS ("
            " SELECT FROM participants_participant p WHERE p.id = participant_id"
            " AND p.site_id = ANY ((SELECT edc_sites('participant.view'))::bigint[])"
            " AND (NOT reveals_arm OR p.site_id = ANY ((SELECT edc_sites('arm.see'))::bigint[]))))",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(POLICY.format(table="randomization_allocation"), migrations.RunSQL.noop),
    ]
