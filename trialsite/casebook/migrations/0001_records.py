"""Records and queries: trailed, scoped by hospital, hidden where they reveal the arm."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('participants', '0001_participants'),
        ('protocol', '0001_versions'),
        ('sites', '0001_sites'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Record',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('event', models.CharField(max_length=40, verbose_name='event')),
                ('form', models.CharField(max_length=40, verbose_name='form')),
                ('repeat', models.PositiveIntegerField(default=1, verbose_name='number')),
                ('data', models.JSONField(verbose_name='values')),
                ('state', models.CharField(choices=[('draft', 'draft'), ('complete', 'complete')], max_length=10, verbose_name='state')),
                ('version', models.PositiveIntegerField(default=1, verbose_name='version')),
                ('observed_on', models.DateField(null=True, verbose_name='date')),
                ('reveals_arm', models.BooleanField(default=False)),
                ('updated_at', models.DateTimeField(default=trialsite.core.clock.now, verbose_name='saved at')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='records', to='participants.participant', verbose_name='participant')),
                ('protocol_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='protocol.protocolversion')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('updated_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='saved by')),
            ],
            options={
                'verbose_name': 'record',
                'verbose_name_plural': 'records',
                'ordering': ['participant', 'event', 'form', 'repeat'],
                'constraints': [models.UniqueConstraint(fields=('participant', 'event', 'form', 'repeat'), name='record_once'), models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'complete'])), name='record_state_known'), models.CheckConstraint(condition=models.Q(('repeat__gte', 1), ('version__gte', 1)), name='record_counts_from_one')],
            },
        ),
        migrations.CreateModel(
            name='Query',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('item', models.CharField(max_length=40, verbose_name='item')),
                ('check_id', models.CharField(max_length=80, verbose_name='check')),
                ('text_en', models.TextField()),
                ('text_zh', models.TextField()),
                ('state', models.CharField(choices=[('open', 'open'), ('closed', 'closed')], default='open', max_length=10, verbose_name='state')),
                ('closed_at', models.DateTimeField(null=True, verbose_name='closed at')),
                ('reveals_arm', models.BooleanField(default=False)),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='queries', to='participants.participant', verbose_name='participant')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('record', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='queries', to='casebook.record')),
            ],
            options={
                'verbose_name': 'query',
                'verbose_name_plural': 'queries',
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('record', 'check_id'), name='query_open_once_per_check'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('state', 'open')), models.Q(('closed_at__isnull', False), ('state', 'closed')), _connector='OR'), name='query_closed_with_time')],
            },
        ),
        Audited("casebook_record"),
        Frozen(
            "casebook_record",
            allow_update=("data", "state", "version", "observed_on", "updated_by_id", "updated_at"),
        ),
        SitePolicy("casebook_record", hides_arm=True),
        Audited("casebook_query"),
        Frozen("casebook_query", allow_update=("state", "closed_at")),
        SitePolicy("casebook_query", hides_arm=True),
    ]
