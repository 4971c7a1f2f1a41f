"""Signatures that would tell an arm, by what they cover or why they fell, hide from who may not see arms."""

from django.db import migrations, models

from trialsite.staff.operations import SitePolicy


def _policies(table: str) -> str:
    kinds = ("read", "insert", "update", "delete")
    return "".join(f"DROP POLICY {table}_{kind} ON {table};" for kind in kinds)


class Migration(migrations.Migration):

    dependencies = [("staff", "0004_blinding")]

    operations = [
        migrations.AddField("signature", "reveals_arm", models.BooleanField(default=False)),
        migrations.AddField("signedversion", "reveals_arm", models.BooleanField(default=False)),
        migrations.RunSQL(_policies("staff_signature"), migrations.RunSQL.noop),
        SitePolicy("staff_signature", hides_arm=True),
        migrations.RunSQL(_policies("staff_signedversion"), migrations.RunSQL.noop),
        SitePolicy("staff_signedversion", hides_arm=True),
    ]
