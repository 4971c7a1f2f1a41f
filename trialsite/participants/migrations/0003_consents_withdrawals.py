"""Versions of the consent form with their approval at each hospital, withdrawals, attempts of the same person.

The database refuses a consent to a form that was not approved there on the day of signing, and binds a participant
to another protocol version only where a consent to it stands.
"""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy

GUARDS = """
CREATE FUNCTION edc_consent_form_approved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM participants_consentform f JOIN sites_site s ON s.id = f.site_id
      JOIN participants_participant p ON p.id = NEW.participant_id AND p.site_id = f.site_id
     WHERE f.site_id = NEW.site_id AND f.version = NEW.form_version
       AND (NEW.patient_signed_at AT TIME ZONE s.timezone)::date >= f.approved_on
       AND (f.retired_on IS NULL OR (NEW.patient_signed_at AT TIME ZONE s.timezone)::date < f.retired_on);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this form is not approved here on the day of signing'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'consent_to_approved_form';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER participants_consent_approved BEFORE INSERT ON participants_consent
    FOR EACH ROW EXECUTE FUNCTION edc_consent_form_approved();

CREATE FUNCTION edc_bound_by_consent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM participants_consent c
     WHERE c.participant_id = NEW.id AND c.protocol_version_id = NEW.protocol_version_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a participant is bound to a protocol version by consent only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'participant_bound_by_consent';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER participants_participant_bound BEFORE UPDATE OF protocol_version_id ON participants_participant
    FOR EACH ROW WHEN (OLD.protocol_version_id <> NEW.protocol_version_id) EXECUTE FUNCTION edc_bound_by_consent();

DROP TRIGGER participants_participant_frozen ON participants_participant;
"""
UNDO = """
DROP TRIGGER participants_consent_approved ON participants_consent;
DROP TRIGGER participants_participant_bound ON participants_participant;
DROP FUNCTION edc_consent_form_approved(); DROP FUNCTION edc_bound_by_consent();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('participants', '0002_contacts'),
        ('protocol', '0001_versions'),
        ('sites', '0002_activations'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ConsentForm',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('version', models.CharField(max_length=40, verbose_name='version of the form')),
                ('approved_on', models.DateField(verbose_name='approved on')),
                ('reference', models.CharField(max_length=80, verbose_name='reference of the approval')),
                ('reconsent', models.BooleanField(default=True, verbose_name='earlier participants sign anew')),
                ('retired_on', models.DateField(blank=True, null=True, verbose_name='not used from')),
                ('entered_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='entered by')),
                ('protocol_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='protocol.protocolversion', verbose_name='protocol version')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='consent_forms', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'version of the consent form',
                'verbose_name_plural': 'versions of the consent form',
                'ordering': ['site', '-approved_on', '-id'],
                'constraints': [models.UniqueConstraint(fields=('site', 'version'), name='consent_form_once_per_site'), models.CheckConstraint(condition=models.Q(('retired_on', None), ('retired_on__gte', models.F('approved_on')), _connector='OR'), name='consent_form_retired_after_approval')],
            },
        ),
        migrations.CreateModel(
            name='Withdrawal',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('level', models.CharField(choices=[('treatment', 'treatment'), ('visits', 'visits'), ('data', 'use of data')], max_length=10, verbose_name='withdrawn from')),
                ('on', models.DateField(verbose_name='date')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='withdrawals', to='participants.participant', verbose_name='participant')),
                ('recorded_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='recorded by')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'withdrawal',
                'verbose_name_plural': 'withdrawals',
                'ordering': ['participant', 'on', 'id'],
                'constraints': [models.UniqueConstraint(fields=('participant', 'level'), name='withdrawal_once_per_level'), models.CheckConstraint(condition=models.Q(('level__in', ['treatment', 'visits', 'data'])), name='withdrawal_level_known')],
            },
        ),
        migrations.AddField(
            model_name='participant',
            name='attempt',
            field=models.PositiveIntegerField(default=1, verbose_name='attempt'),
        ),
        migrations.AddField(
            model_name='participant',
            name='previous',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='following', to='participants.participant', verbose_name='earlier attempt'),
        ),
        migrations.AddConstraint(
            model_name='participant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('attempt', 1), ('previous', None)), models.Q(('attempt__gt', 1), ('previous__isnull', False)), _connector='OR'), name='participant_attempt_counts'),
        ),
        migrations.RunSQL(GUARDS, UNDO),
        Frozen("participants_participant", allow_update=("status", "protocol_version_id")),
        Audited("participants_consentform"),
        Frozen("participants_consentform", allow_update=("retired_on",)),
        SitePolicy("participants_consentform", sees="protocol.view"),
        Audited("participants_withdrawal"),
        Frozen("participants_withdrawal"),
        SitePolicy("participants_withdrawal"),
    ]
