
import django.db.models.deletion
import django.db.models.functions.text
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy

FUNCTIONS = """
CREATE FUNCTION edc_roles_of(actor bigint) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce(string_agg(DISTINCT m.role, ',' ORDER BY m.role), '') FROM staff_membership m
     WHERE m.user_id = actor AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp())
$$;

-- The hospitals where the bound actor holds a capability now.
CREATE FUNCTION edc_sites(wanted text) RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(s.id), '{}') FROM sites_site s WHERE EXISTS (
        SELECT FROM staff_membership m
          JOIN staff_user u ON u.id = m.user_id AND u.is_active
          JOIN staff_rolecapability c ON c.role = m.role AND c.capability = wanted
         WHERE m.user_id = edc_actor() AND (m.site_id IS NULL OR m.site_id = s.id)
           AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp()))
$$;

-- Whether the bound actor holds a capability at all hospitals.
CREATE FUNCTION edc_everywhere(wanted text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM staff_membership m
          JOIN staff_user u ON u.id = m.user_id AND u.is_active
          JOIN staff_rolecapability c ON c.role = m.role AND c.capability = wanted
         WHERE m.user_id = edc_actor() AND m.site_id IS NULL
           AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp()))
$$;

-- The trail is read by those who may review it, each hospital's by its own; arms by those who may see them.
ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY;
CREATE POLICY audit_event_reader ON audit_event FOR SELECT USING (
    (site_id = ANY ((SELECT edc_sites('audit.view'))::bigint[])
     OR site_id IS NULL AND (SELECT edc_everywhere('audit.view')))
    AND (NOT reveals_arm OR site_id = ANY ((SELECT edc_sites('arm.see'))::bigint[])));

REVOKE INSERT, UPDATE, DELETE ON staff_rolecapability FROM edc_app;
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('sites', '0001_sites'),
    ]

    operations = [
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('username', models.CharField(max_length=60, unique=True, verbose_name='user name')),
                ('full_name', models.CharField(max_length=120, verbose_name='full name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='e-mail')),
                ('phone', models.CharField(blank=True, max_length=40, verbose_name='telephone at work')),
                ('language', models.CharField(choices=[('en', 'English'), ('zh-hans', '简体中文')], default='zh-hans', max_length=10, verbose_name='language')),
                ('kind', models.CharField(choices=[('person', 'person'), ('machine', 'program'), ('system', 'system')], default='person', max_length=10, verbose_name='kind')),
                ('is_active', models.BooleanField(default=True, verbose_name='active')),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
                'ordering': ['username'],
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('username'), name='user_name_once_whatever_its_case')],
            },
        ),
        migrations.CreateModel(
            name='RoleCapability',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(max_length=20)),
                ('capability', models.CharField(max_length=40)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('role', 'capability'), name='role_capability_once')],
            },
        ),
        migrations.CreateModel(
            name='Signature',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('printed_name', models.CharField(max_length=120, verbose_name='printed name')),
                ('meaning', models.CharField(max_length=200, verbose_name='meaning')),
                ('signed_at', models.DateTimeField(verbose_name='signed at')),
                ('content_hash', models.CharField(max_length=64, verbose_name='hash of the content')),
                ('fallen_at', models.DateTimeField(blank=True, null=True, verbose_name='fallen at')),
                ('fallen_reason', models.CharField(blank=True, max_length=300, verbose_name='why it fell')),
                ('signer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='signatures', to=settings.AUTH_USER_MODEL, verbose_name='signed by')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'signature',
                'verbose_name_plural': 'signatures',
            },
        ),
        migrations.CreateModel(
            name='Token',
            fields=[
                ('digest', models.CharField(max_length=128, primary_key=True, serialize=False)),
                ('token_key', models.CharField(db_index=True, max_length=25)),
                ('created', models.DateTimeField(auto_now_add=True)),
                ('expiry', models.DateTimeField(blank=True, null=True)),
                ('name', models.CharField(max_length=60, verbose_name='name')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'token',
                'verbose_name_plural': 'tokens',
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('role', models.CharField(max_length=20, verbose_name='role')),
                ('starts_at', models.DateTimeField(default=trialsite.core.clock.now, verbose_name='from')),
                ('ends_at', models.DateTimeField(blank=True, null=True, verbose_name='until')),
                ('site', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='sites.site', verbose_name='hospital')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'membership',
                'verbose_name_plural': 'memberships',
                'ordering': ['user', 'role'],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at', None), ('ends_at__gt', models.F('starts_at')), _connector='OR'), name='membership_ends_after_start'), models.UniqueConstraint(condition=models.Q(('ends_at', None)), fields=('user', 'role', 'site'), name='membership_open_once', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='SignedVersion',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('kind', models.CharField(max_length=40)),
                ('record_id', models.BigIntegerField()),
                ('version', models.IntegerField()),
                ('signature', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='covered', to='staff.signature')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='sites.site')),
            ],
            options={
                'indexes': [models.Index(fields=['kind', 'record_id'], name='signed_version_by_record')],
                'constraints': [models.UniqueConstraint(fields=('signature', 'kind', 'record_id'), name='signature_covers_once')],
            },
        ),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        Audited("staff_user", secret=("password",)),
        Frozen("staff_user", allow_update=("password", "full_name", "email", "phone", "language", "is_active")),
        Audited("staff_membership"),
        Frozen("staff_membership", allow_update=("ends_at",)),
        Audited("staff_token", key="token_key", secret=("digest",)),
        Frozen("staff_token", allow_update=("expiry",)),
        Audited("staff_signature"),
        Frozen("staff_signature", allow_update=("fallen_at", "fallen_reason")),
        SitePolicy("staff_signature"),
        Audited("staff_signedversion"),
        Frozen("staff_signedversion"),
        SitePolicy("staff_signedversion"),
    ]
