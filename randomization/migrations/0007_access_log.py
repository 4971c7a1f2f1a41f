"""Whoever reads the ledger reads who could see the sequence, and who looked (CONSORT 2025 item 19).

The statistician reviews no trail; of it these lines alone are theirs: acts on the list, and views of list, ledger and log.
"""

from django.db import migrations

POLICY = """
CREATE POLICY audit_event_sequence ON audit_event FOR SELECT USING (
    site_id IS NULL AND NOT reveals_arm
    AND (table_name = ANY ('{randomization_scheme,randomization_era,randomization_attestation,randomization_access}')
         OR table_name = 'randomization_allocation' AND action = ANY ('{view,export}'))
    AND (SELECT edc_everywhere('ledger.view')));
"""


class Migration(migrations.Migration):
    dependencies = [("randomization", "0006_follow_the_participant"), ("audit", "0004_last_acts"), ("staff", "0003_signin")]

    operations = [
        migrations.RunSQL(POLICY, "DROP POLICY audit_event_sequence ON audit_event"),
    ]
