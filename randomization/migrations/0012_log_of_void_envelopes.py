"""Whoever reads the ledger reads which envelopes were declared void, and by whom: as in 0009, and that table."""

from django.db import migrations

POLICY = """
DROP POLICY audit_event_sequence ON audit_event;
CREATE POLICY audit_event_sequence ON audit_event FOR SELECT USING (
    NOT reveals_arm
    AND (site_id IS NULL AND (
            table_name = ANY ('{randomization_scheme,randomization_era,randomization_attestation,randomization_access}')
            OR table_name = 'randomization_allocation' AND action = ANY ('{view,export}'))
         OR table_name = ANY ('{randomization_envelope,randomization_voidenvelope}'))
    AND (SELECT edc_everywhere('ledger.view')));
"""


class Migration(migrations.Migration):
    dependencies = [("randomization", "0011_void_envelopes")]

    operations = [migrations.RunSQL(POLICY, migrations.RunSQL.noop)]
