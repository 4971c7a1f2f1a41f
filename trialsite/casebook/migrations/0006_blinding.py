"""Locks over what tells an arm are hidden like it; keys of rows of which some are hidden are random."""

from django.db import migrations, models

from trialsite.staff.operations import ScatteredIds, SitePolicy

# A lock that stands over an event of one arm, or over a record of it, hides with it.
KNOWN = """
ALTER TABLE casebook_lock DISABLE TRIGGER USER;
UPDATE casebook_lock l SET reveals_arm = true
 WHERE EXISTS (SELECT FROM casebook_record r WHERE r.id = l.record_id AND r.reveals_arm)
    OR EXISTS (SELECT FROM visits_visit v
                WHERE v.participant_id = l.participant_id AND v.code = l.event AND v.reveals_arm);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE casebook_lock ENABLE TRIGGER USER;
"""


def _policies(table: str) -> str:
    kinds = ("read", "insert", "update", "delete")
    return "".join(f"DROP POLICY {table}_{kind} ON {table};" for kind in kinds)


class Migration(migrations.Migration):

    dependencies = [
        ("casebook", "0005_review"),
        ("staff", "0004_blinding"),
        ("visits", "0001_visits"),
    ]

    operations = [
        migrations.AddField("lock", "reveals_arm", models.BooleanField(default=False)),
        migrations.AlterModelOptions(
            "lock", {"ordering": ["-created_at", "-id"], "verbose_name": "lock", "verbose_name_plural": "locks"}
        ),
        migrations.AlterModelOptions(
            "query",
            {"ordering": ["-created_at", "-id"], "verbose_name": "query", "verbose_name_plural": "queries"},
        ),
        migrations.AlterModelOptions(
            "verification",
            {
                "ordering": ["-created_at", "-id"],
                "verbose_name": "verification",
                "verbose_name_plural": "verifications",
            },
        ),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
        migrations.RunSQL(_policies("casebook_lock"), migrations.RunSQL.noop),
        SitePolicy("casebook_lock", shared=True, hides_arm=True),
        # The number of records under a signature tells the arm.
        migrations.RunSQL(_policies("casebook_casebooksignature"), migrations.RunSQL.noop),
        SitePolicy("casebook_casebooksignature", sees="arm.see"),
        ScatteredIds("casebook_record"),
        ScatteredIds("casebook_query"),
        ScatteredIds("casebook_verification"),
        ScatteredIds("casebook_lock"),
    ]
