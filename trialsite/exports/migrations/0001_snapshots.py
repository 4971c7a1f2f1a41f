"""Snapshots: trailed, never deleted; once ready nothing of them changes."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen


READY = """
CREATE FUNCTION edc_snapshot_ready() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'snapshot % is written and never changes', OLD.id USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER exports_snapshot_ready BEFORE UPDATE ON exports_snapshot
    FOR EACH ROW WHEN (OLD.state = 'ready') EXECUTE FUNCTION edc_snapshot_ready();
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Snapshot',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('format', models.CharField(choices=[('csv', 'CSV files in a ZIP'), ('xlsx', 'Excel workbook')], max_length=10, verbose_name='format')),
                ('purpose', models.CharField(max_length=200, verbose_name='purpose')),
                ('sites', models.JSONField(verbose_name='hospitals')),
                ('shows_arms', models.BooleanField(verbose_name='shows arms')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('ready', 'ready'), ('failed', 'failed')], default='waiting', max_length=10, verbose_name='state')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('sha256', models.CharField(blank=True, max_length=64, verbose_name='hash')),
                ('size', models.BigIntegerField(default=0, verbose_name='bytes')),
                ('contents', models.JSONField(default=dict, verbose_name='contents')),
                ('head', models.CharField(blank=True, max_length=64, verbose_name='head of the trail')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
            ],
            options={
                'verbose_name': 'snapshot',
                'verbose_name_plural': 'snapshots',
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['failed', 'ready', 'waiting'])), name='snapshot_state_known'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'ready'), _negated=True), models.Q(('sha256', ''), _negated=True), _connector='OR'), name='snapshot_ready_with_hash')],
            },
        ),
        Audited("exports_snapshot"),
        Frozen(
            "exports_snapshot",
            allow_update=("state", "finished_at", "sha256", "size", "contents", "head"),
        ),
        migrations.RunSQL(READY, "DROP TRIGGER exports_snapshot_ready ON exports_snapshot; DROP FUNCTION edc_snapshot_ready()"),
    ]
