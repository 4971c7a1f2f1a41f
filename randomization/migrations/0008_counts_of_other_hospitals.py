"""How far a list is used tells how many were randomized: shown to those who may see the participants of its hospital.

Whoever sees an allocation sees its stratum too: after a transfer that is the stratum of another hospital. The trigger
functions, which hold caps against all strata, are the owner's and see every row.
"""

from django.db import migrations

from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):
    dependencies = [("randomization", "0007_access_log")]

    operations = [
        SitePolicy("randomization_stratum"),
        migrations.RunSQL(
            "CREATE POLICY randomization_stratum_allocated ON randomization_stratum FOR SELECT USING (EXISTS ("
            " SELECT FROM randomization_allocation a WHERE a.stratum_id = randomization_stratum.id))",
            "DROP POLICY randomization_stratum_allocated ON randomization_stratum",
        ),
    ]
