"""Freeze the entries and the ledger in earnest.

`edc_frozen()` called without arguments compares names with a missing list, which is neither true nor false, and lets
every UPDATE through. An empty name as its argument gives it a list in which no column stands.
"""

from django.db import migrations

TABLES = ("randomization_sealedentry", "randomization_allocation")


def freeze(argument):
    return "".join(
        f"DROP TRIGGER {table}_frozen ON {table};"
        f"CREATE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION edc_frozen({argument});"
        for table in TABLES
    )


class Migration(migrations.Migration):

    dependencies = [("randomization", "0002_door")]

    operations = [migrations.RunSQL(freeze("''"), freeze(""))]
