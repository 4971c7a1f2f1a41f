"""Signed verdicts: trailed, frozen, scoped by hospital."""

import django.db.models.deletion
import trialsite.core.clock
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('participants', '0001_participants'),
        ('protocol', '0001_versions'),
        ('sites', '0001_sites'),
        ('staff', '0001_people'),
    ]

    operations = [
        migrations.CreateModel(
            name='SignedVerdict',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('surgery_on', models.DateField(verbose_name='planned surgery')),
                ('eligible', models.BooleanField(verbose_name='eligible')),
                ('document', models.JSONField(verbose_name='verdict')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='verdicts', to='participants.participant', verbose_name='participant')),
                ('protocol_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='protocol.protocolversion')),
                ('signature', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='staff.signature')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'signed verdict',
                'verbose_name_plural': 'signed verdicts',
                'ordering': ['-id'],
            },
        ),
        Audited("eligibility_signedverdict"),
        Frozen("eligibility_signedverdict"),
        SitePolicy("eligibility_signedverdict"),
    ]
