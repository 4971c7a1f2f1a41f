"""Imports: trailed, never deleted, seen by whoever sent them; the planner sees which ones wait."""

import django.db.models.deletion
import django.db.models.expressions
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen


OWN = """
ALTER TABLE imports_import ENABLE ROW LEVEL SECURITY;
CREATE POLICY imports_import_own ON imports_import
    USING (requested_by_id = edc_actor()) WITH CHECK (requested_by_id = edc_actor());
CREATE POLICY imports_import_planner ON imports_import FOR SELECT
    USING (state = 'waiting' AND (SELECT edc_everywhere('schedule.plan')));
ALTER TABLE imports_importfile ENABLE ROW LEVEL SECURITY;
CREATE POLICY imports_importfile_own ON imports_importfile
    USING (EXISTS (SELECT FROM imports_import i WHERE i.id = of_id AND i.requested_by_id = edc_actor()))
    WITH CHECK (EXISTS (SELECT FROM imports_import i WHERE i.id = of_id AND i.requested_by_id = edc_actor()));
ALTER TABLE imports_rowfault ENABLE ROW LEVEL SECURITY;
CREATE POLICY imports_rowfault_own ON imports_rowfault
    USING (EXISTS (SELECT FROM imports_import i WHERE i.id = of_id AND i.requested_by_id = edc_actor()))
    WITH CHECK (EXISTS (SELECT FROM imports_import i WHERE i.id = of_id AND i.requested_by_id = edc_actor()));
"""
OPEN = """
DROP POLICY imports_import_own ON imports_import; DROP POLICY imports_import_planner ON imports_import;
DROP POLICY imports_importfile_own ON imports_importfile; DROP POLICY imports_rowfault_own ON imports_rowfault;
ALTER TABLE imports_import DISABLE ROW LEVEL SECURITY; ALTER TABLE imports_importfile DISABLE ROW LEVEL SECURITY;
ALTER TABLE imports_rowfault DISABLE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Import',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('form', models.CharField(max_length=40, verbose_name='form')),
                ('format', models.CharField(max_length=10, verbose_name='format')),
                ('sha256', models.CharField(max_length=64, verbose_name='hash')),
                ('dry_run', models.BooleanField(verbose_name='dry run')),
                ('reason', models.CharField(max_length=200, verbose_name='reason')),
                ('sites', models.JSONField(null=True, verbose_name='hospitals')),
                ('session', models.CharField(blank=True, max_length=80)),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('done', 'done'), ('stopped', 'stopped')], default='waiting', max_length=10, verbose_name='state')),
                ('rows', models.PositiveIntegerField(verbose_name='rows')),
                ('done', models.PositiveIntegerField(default=0, verbose_name='worked off')),
                ('saved', models.PositiveIntegerField(default=0, verbose_name='saved')),
                ('unchanged', models.PositiveIntegerField(default=0, verbose_name='unchanged')),
                ('refused', models.PositiveIntegerField(default=0, verbose_name='refused')),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
            ],
            options={
                'verbose_name': 'import',
                'verbose_name_plural': 'imports',
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('requested_by', 'sha256', 'form', 'dry_run'), name='import_waits_once'), models.CheckConstraint(condition=models.Q(('state__in', ['done', 'stopped', 'waiting'])), name='import_state_known'), models.CheckConstraint(condition=models.Q(('done', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('saved'), '+', models.F('unchanged')), '+', models.F('refused'))), ('done__lte', models.F('rows'))), name='import_counts_add_up'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'done'), _negated=True), models.Q(('done', models.F('rows')), ('finished_at__isnull', False)), _connector='OR'), name='import_done_with_all')],
            },
        ),
        migrations.CreateModel(
            name='ImportFile',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('content', models.BinaryField()),
                ('of', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='file', to='imports.import')),
            ],
            options={
                'verbose_name': 'imported file',
                'verbose_name_plural': 'imported files',
            },
        ),
        migrations.CreateModel(
            name='RowFault',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('row', models.PositiveIntegerField(verbose_name='row')),
                ('participant', models.CharField(blank=True, max_length=40, verbose_name='participant')),
                ('event', models.CharField(blank=True, max_length=40, verbose_name='event')),
                ('code', models.CharField(max_length=40, verbose_name='code')),
                ('message', models.CharField(max_length=500, verbose_name='message')),
                ('fields', models.JSONField(default=dict, verbose_name='columns')),
                ('of', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='faults', to='imports.import')),
            ],
            options={
                'verbose_name': 'refused row',
                'verbose_name_plural': 'refused rows',
                'ordering': ['of', 'row'],
                'constraints': [models.UniqueConstraint(fields=('of', 'row'), name='import_fault_once_per_row')],
            },
        ),
        Audited("imports_import"),
        Frozen(
            "imports_import",
            allow_update=("state", "done", "saved", "unchanged", "refused", "finished_at"),
        ),
        Audited("imports_importfile", secret=("content",)),
        Frozen("imports_importfile"),
        Audited("imports_rowfault"),
        Frozen("imports_rowfault"),
        migrations.RunSQL(OWN, OPEN),
    ]
