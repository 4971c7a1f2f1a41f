"""Protocol versions activated at a hospital, each under two signatures."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy

# Behind the service: a version does not become active at a hospital but under two standing signatures.
FOUR_EYES = """
CREATE FUNCTION edc_four_eyes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state <> 'proposed' THEN
        RAISE EXCEPTION 'an activation that is % stays so', OLD.state USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'active' AND 2 > (
        SELECT count(DISTINCT a.signer_id) FROM sites_activationsignature a
          JOIN staff_signature s ON s.id = a.signature_id AND s.fallen_at IS NULL AND s.signer_id = a.signer_id
         WHERE a.activation_id = NEW.id AND a.site_id = NEW.site_id) THEN
        RAISE EXCEPTION 'a protocol version is activated under two standing signatures of two people'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sites_activation_four_eyes BEFORE INSERT OR UPDATE ON sites_activation
    FOR EACH ROW EXECUTE FUNCTION edc_four_eyes();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('protocol', '0001_versions'),
        ('sites', '0001_sites'),
        ('staff', '0001_people'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Activation',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('ethics_approved_on', models.DateField(verbose_name='approved by the ethics committee on')),
                ('ethics_reference', models.CharField(max_length=80, verbose_name='reference of the approval')),
                ('state', models.CharField(choices=[('proposed', 'one signature lacks'), ('active', 'activated'), ('cancelled', 'cancelled')], default='proposed', max_length=10, verbose_name='state')),
                ('activated_at', models.DateTimeField(blank=True, null=True, verbose_name='activated at')),
                ('protocol_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='activations', to='protocol.protocolversion', verbose_name='protocol version')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='activations', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'activation',
                'verbose_name_plural': 'activations',
                'ordering': ['site_id', '-protocol_version_id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'cancelled'), _negated=True), fields=('site', 'protocol_version'), name='activation_once_per_version'), models.CheckConstraint(condition=models.Q(models.Q(('activated_at__isnull', False), ('state', 'active')), models.Q(('activated_at', None), ('state__in', ['proposed', 'cancelled'])), _connector='OR'), name='activation_active_with_time')],
            },
        ),
        migrations.CreateModel(
            name='ActivationSignature',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('side', models.CharField(choices=[('hospital', 'for the hospital'), ('sponsor', 'for the sponsor')], max_length=10, verbose_name='side')),
                ('activation', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='signatures', to='sites.activation')),
                ('signature', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='activation', to='staff.signature')),
                ('signer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site')),
            ],
            options={
                'verbose_name': 'signature of an activation',
                'verbose_name_plural': 'signatures of activations',
                'ordering': ['id'],
                'constraints': [models.UniqueConstraint(fields=('activation', 'side'), name='activation_one_signature_per_side'), models.UniqueConstraint(fields=('activation', 'signer'), name='activation_four_eyes'), models.CheckConstraint(condition=models.Q(('side__in', ['hospital', 'sponsor'])), name='activation_side_known')],
            },
        ),
        migrations.RunSQL(
            FOUR_EYES,
            "DROP TRIGGER sites_activation_four_eyes ON sites_activation; DROP FUNCTION edc_four_eyes();",
        ),
        Audited("sites_activation"),
        Frozen("sites_activation", allow_update=("state", "activated_at")),
        SitePolicy("sites_activation", sees="protocol.view"),
        Audited("sites_activationsignature"),
        Frozen("sites_activationsignature"),
        SitePolicy("sites_activationsignature", sees="protocol.view"),
    ]
