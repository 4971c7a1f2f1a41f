"""Participants, consents, contact details: trailed, scoped by hospital."""

import django.db.models.deletion
import trialsite.core.clock
import trialsite.participants.fields
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('protocol', '0001_versions'),
        ('sites', '0001_sites'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Participant',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('code', models.CharField(max_length=12, unique=True, verbose_name='code')),
                ('status', models.CharField(choices=[('registered', 'registered'), ('consented', 'consented'), ('eligible', 'eligible'), ('operated', 'operated'), ('randomized', 'randomized'), ('completed', 'completed'), ('screen_failed', 'screen failed'), ('withdrawn', 'withdrawn'), ('dead', 'deceased')], default='registered', max_length=20, verbose_name='status')),
                ('registration_key', models.CharField(max_length=100)),
                ('protocol_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='protocol.protocolversion', verbose_name='protocol version')),
                ('registered_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='participants', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'participant',
                'verbose_name_plural': 'participants',
                'ordering': ['code'],
                'indexes': [models.Index(fields=['site', 'status'], name='participant_by_status')],
                'constraints': [models.UniqueConstraint(fields=('site', 'registration_key'), name='participant_registered_once'), models.CheckConstraint(condition=models.Q(('status__in', ['completed', 'consented', 'dead', 'eligible', 'operated', 'randomized', 'registered', 'screen_failed', 'withdrawn'])), name='participant_status_known')],
            },
        ),
        migrations.CreateModel(
            name='Contact',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('name', trialsite.participants.fields.SealedText(blank=True, verbose_name='name')),
                ('phone', trialsite.participants.fields.SealedText(blank=True, verbose_name='telephone')),
                ('email', trialsite.participants.fields.SealedText(blank=True, verbose_name='e-mail')),
                ('language', models.CharField(default='zh-hans', max_length=10, verbose_name='language')),
                ('opted_out', models.BooleanField(default=False, verbose_name='wants no messages')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site')),
                ('participant', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='contact', to='participants.participant')),
            ],
            options={
                'verbose_name': 'contact details',
                'verbose_name_plural': 'contact details',
            },
        ),
        migrations.CreateModel(
            name='Consent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('form_version', models.CharField(max_length=40, verbose_name='version of the form')),
                ('patient_signed_at', models.DateTimeField(verbose_name='patient signed at')),
                ('family_signed_at', models.DateTimeField(blank=True, null=True, verbose_name='family signed at')),
                ('obtained_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='obtained by')),
                ('protocol_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='protocol.protocolversion')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='consents', to='participants.participant', verbose_name='participant')),
            ],
            options={
                'verbose_name': 'consent',
                'verbose_name_plural': 'consents',
                'constraints': [models.UniqueConstraint(fields=('participant', 'form_version'), name='consent_once_per_version')],
            },
        ),
        Audited("participants_participant"),
        Frozen("participants_participant", allow_update=("status",)),
        SitePolicy("participants_participant"),
        Audited("participants_consent"),
        Frozen("participants_consent"),
        SitePolicy("participants_consent"),
        Audited("participants_contact", secret=("name", "phone", "email")),
        SitePolicy("participants_contact", sees="contact.view"),
    ]
