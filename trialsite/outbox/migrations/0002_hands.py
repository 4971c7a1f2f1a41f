"""Messages by more than one channel, and what people decide about them; what staff want to receive."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen


class Migration(migrations.Migration):

    dependencies = [
        ('outbox', '0001_outbox'),
        ('sites', '0001_sites'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Preference',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('kind', models.CharField(max_length=40, verbose_name='kind')),
                ('wanted', models.BooleanField(verbose_name='wanted')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'choice of messages',
                'verbose_name_plural': 'choices of messages',
                'constraints': [models.UniqueConstraint(fields=('user', 'kind'), name='preference_once')],
            },
        ),
        migrations.RemoveConstraint(
            model_name='message',
            name='message_state_known',
        ),
        migrations.AddField(
            model_name='message',
            name='rounds',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='message',
            name='via',
            field=models.CharField(blank=True, choices=[('email', 'e-mail'), ('sms', 'SMS'), ('preferred', 'as preferred')], db_default='', max_length=20, verbose_name='sent by'),
        ),
        migrations.AddField(
            model_name='message',
            name='worked_off_because',
            field=models.CharField(blank=True, db_default='', max_length=300, verbose_name='reason'),
        ),
        migrations.AddField(
            model_name='message',
            name='worked_off_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='worked off by'),
        ),
        migrations.AlterField(
            model_name='message',
            name='channel',
            field=models.CharField(choices=[('email', 'e-mail'), ('sms', 'SMS'), ('preferred', 'as preferred')], default='email', max_length=20, verbose_name='channel'),
        ),
        migrations.AlterField(
            model_name='message',
            name='state',
            field=models.CharField(choices=[('pending', 'waiting'), ('sending', 'being sent'), ('sent', 'sent'), ('cancelled', 'cancelled'), ('failed', 'failed'), ('uncertain', 'uncertain'), ('given_up', 'given up')], default='pending', max_length=10, verbose_name='state'),
        ),
        migrations.AddConstraint(
            model_name='message',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['cancelled', 'failed', 'given_up', 'pending', 'sending', 'sent', 'uncertain'])), name='message_state_known'),
        ),
        migrations.RunSQL(
            "DROP TRIGGER outbox_message_frozen ON outbox_message",
            migrations.RunSQL.noop,
        ),
        Frozen(
            "outbox_message",
            allow_update=(
                "due_at",
                "state",
                "attempts",
                "claimed_at",
                "finished_at",
                "answer",
                "via",
                "rounds",
                "worked_off_by_id",
                "worked_off_because",
            ),
        ),
        Audited("outbox_preference"),
        Frozen("outbox_preference", allow_update=("wanted",)),
    ]
