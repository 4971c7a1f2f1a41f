"""Messages: trailed, scoped by hospital."""

import django.db.models.deletion
import trialsite.core.clock
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('sites', '0001_sites'),
    ]

    operations = [
        migrations.CreateModel(
            name='Message',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('key', models.CharField(max_length=200, unique=True, verbose_name='key')),
                ('kind', models.CharField(max_length=40, verbose_name='kind')),
                ('recipient', models.CharField(max_length=60, verbose_name='recipient')),
                ('channel', models.CharField(default='email', max_length=20, verbose_name='channel')),
                ('payload', models.JSONField(default=dict)),
                ('subject_code', models.CharField(blank=True, max_length=40, verbose_name='about')),
                ('due_at', models.DateTimeField(verbose_name='due')),
                ('state', models.CharField(choices=[('pending', 'waiting'), ('sending', 'being sent'), ('sent', 'sent'), ('cancelled', 'cancelled'), ('failed', 'failed'), ('uncertain', 'uncertain')], default='pending', max_length=10, verbose_name='state')),
                ('attempts', models.PositiveIntegerField(default=0, verbose_name='attempts')),
                ('claimed_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True, verbose_name='finished')),
                ('answer', models.TextField(blank=True, verbose_name='answer')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'message',
                'verbose_name_plural': 'messages',
                'ordering': ['-id'],
                'indexes': [models.Index(condition=models.Q(('state', 'pending')), fields=['due_at', 'id'], name='message_pending_due'), models.Index(condition=models.Q(('state', 'sending')), fields=['claimed_at'], name='message_sending')],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['cancelled', 'failed', 'pending', 'sending', 'sent', 'uncertain'])), name='message_state_known')],
            },
        ),
        Audited("outbox_message"),
        Frozen(
            "outbox_message",
            allow_update=("due_at", "state", "attempts", "claimed_at", "finished_at", "answer"),
        ),
        SitePolicy("outbox_message", sees="reminder.view"),
    ]
