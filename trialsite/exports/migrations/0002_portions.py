"""The bytes of snapshots stand in the database: found by every process, held by every backup, seen by right."""

import django.db.models.deletion
import trialsite.core.clock
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen

# As SnapshotQuerySet.visible_to: whoever could export all of it, arms included, at each hospital that it holds.
POLICY = """
CREATE FUNCTION edc_snapshot_seen(wanted bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM exports_snapshot s
         WHERE s.id = wanted AND s.sites <@ to_jsonb(edc_sites('data.export'))
           AND (NOT s.shows_arms OR s.sites <@ to_jsonb(edc_sites('arm.see'))))
$$;
ALTER TABLE exports_snapshotportion ENABLE ROW LEVEL SECURITY;
CREATE POLICY exports_snapshotportion_read ON exports_snapshotportion FOR SELECT
    USING (edc_snapshot_seen(snapshot_id));
CREATE POLICY exports_snapshotportion_insert ON exports_snapshotportion FOR INSERT
    WITH CHECK (edc_snapshot_seen(snapshot_id));
"""
# What is written stays as it is: nothing comes to a file that was given out.
WHOLE = """
CREATE FUNCTION edc_snapshot_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM exports_snapshot s WHERE s.id = NEW.snapshot_id AND s.state = 'ready') THEN
        RAISE EXCEPTION 'snapshot % is written and never changes', NEW.snapshot_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER exports_snapshotportion_whole BEFORE INSERT ON exports_snapshotportion
    FOR EACH ROW EXECUTE FUNCTION edc_snapshot_whole();
"""


class Migration(migrations.Migration):

    dependencies = [("exports", "0001_snapshots")]

    operations = [
        migrations.CreateModel(
            name="SnapshotPortion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        default=trialsite.core.clock.now, editable=False, verbose_name="created at"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("data", models.BinaryField()),
                (
                    "snapshot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="portions",
                        to="exports.snapshot",
                    ),
                ),
            ],
            options={
                "verbose_name": "portion of a snapshot",
                "verbose_name_plural": "portions of snapshots",
                "ordering": ["snapshot", "number"],
                "constraints": [
                    models.UniqueConstraint(fields=("snapshot", "number"), name="snapshot_portion_once")
                ],
            },
        ),
        Audited("exports_snapshotportion", secret=("data",)),
        Frozen("exports_snapshotportion"),
        migrations.RunSQL(
            WHOLE,
            "DROP TRIGGER exports_snapshotportion_whole ON exports_snapshotportion;"
            "DROP FUNCTION edc_snapshot_whole();",
        ),
        migrations.RunSQL(
            POLICY,
            "DROP POLICY exports_snapshotportion_read ON exports_snapshotportion;"
            "DROP POLICY exports_snapshotportion_insert ON exports_snapshotportion;"
            "ALTER TABLE exports_snapshotportion DISABLE ROW LEVEL SECURITY;"
            "DROP FUNCTION edc_snapshot_seen(bigint);",
        ),
    ]
