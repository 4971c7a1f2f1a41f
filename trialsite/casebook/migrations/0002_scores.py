"""Scores: trailed, scoped by hospital, hidden where they reveal the arm, never deleted."""

import django.db.models.deletion
import trialsite.core.clock
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    dependencies = [
        ('casebook', '0001_records'),
        ('participants', '0001_participants'),
        ('sites', '0002_activations'),
    ]

    operations = [
        migrations.CreateModel(
            name='Score',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('event', models.CharField(max_length=40, verbose_name='event')),
                ('repeat', models.PositiveIntegerField(default=1, verbose_name='number')),
                ('instrument', models.CharField(max_length=40, verbose_name='instrument')),
                ('name', models.CharField(max_length=40, verbose_name='score')),
                ('value', models.CharField(blank=True, max_length=60, verbose_name='value')),
                ('reason', models.CharField(blank=True, max_length=40, verbose_name='why it is open')),
                ('algorithm', models.CharField(max_length=60, verbose_name='algorithm')),
                ('inputs', models.JSONField(verbose_name='inputs')),
                ('computed_at', models.DateTimeField(default=trialsite.core.clock.now, verbose_name='computed at')),
                ('reveals_arm', models.BooleanField(default=False)),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='scores', to='participants.participant', verbose_name='participant')),
                ('record', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='scores', to='casebook.record', verbose_name='record')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'score',
                'verbose_name_plural': 'scores',
                'ordering': ['participant', 'event', 'instrument', 'repeat', 'id'],
                'constraints': [models.UniqueConstraint(fields=('participant', 'event', 'instrument', 'repeat', 'name'), name='score_once')],
            },
        ),
        Audited("casebook_score"),
        Frozen("casebook_score", allow_update=("value", "reason", "algorithm", "inputs", "computed_at")),
        SitePolicy("casebook_score", hides_arm=True),
    ]
