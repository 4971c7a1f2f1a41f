"""Sign-in: sessions with their person, invitations, scopes and hospitals of tokens, the trail of second factors."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen

# A token of before may do what its owner may; the person who answers for it is its owner.
OLD_TOKENS = """
ALTER TABLE staff_token DISABLE TRIGGER USER;
UPDATE staff_token t SET responsible_id = t.user_id, scopes = coalesce(
    (SELECT array_agg(DISTINCT c.capability) FROM staff_membership m JOIN staff_rolecapability c ON c.role = m.role
      WHERE m.user_id = t.user_id), '{token.own}');
INSERT INTO staff_tokenuse (token_id) SELECT digest FROM staff_token;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE staff_token ENABLE TRIGGER USER;
"""

FUNCTIONS = """
-- Whether the token that the bound actor came with, if any, allows `wanted` at this hospital (null: at all of them).
-- The request's session reads 'token:' and the first characters of the secret; the application has checked the rest.
-- Another actor inside of the same request (a system user's step) is not narrowed by it.
CREATE FUNCTION edc_token_allows(wanted text, site bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN current_setting('edc.session', true) LIKE 'token:%' THEN NOT EXISTS (
        SELECT FROM staff_token t
         WHERE t.token_key = substr(current_setting('edc.session', true), 7) AND t.user_id = edc_actor()
           AND NOT (wanted = ANY (t.scopes)
                    AND (t.sites IS NULL OR coalesce(site = ANY (t.sites), false))
                    AND t.revoked_at IS NULL
                    AND (t.expiry IS NULL OR t.expiry > statement_timestamp())
                    AND EXISTS (SELECT FROM staff_user r JOIN staff_membership m ON m.user_id = r.id
                                 WHERE r.id = t.responsible_id AND r.is_active AND m.starts_at <= statement_timestamp()
                                   AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp()))))
    ELSE true END
$$;

CREATE OR REPLACE FUNCTION edc_sites(wanted text) RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(s.id), '{}') FROM sites_site s WHERE EXISTS (
        SELECT FROM staff_membership m
          JOIN staff_user u ON u.id = m.user_id AND u.is_active
          JOIN staff_rolecapability c ON c.role = m.role AND c.capability = wanted
         WHERE m.user_id = edc_actor() AND (m.site_id IS NULL OR m.site_id = s.id)
           AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp()))
       AND edc_token_allows(wanted, s.id)
$$;

CREATE OR REPLACE FUNCTION edc_everywhere(wanted text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM staff_membership m
          JOIN staff_user u ON u.id = m.user_id AND u.is_active
          JOIN staff_rolecapability c ON c.role = m.role AND c.capability = wanted
         WHERE m.user_id = edc_actor() AND m.site_id IS NULL
           AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp()))
       AND edc_token_allows(wanted, NULL)
$$;
"""


def frozen_again(table: str, *, before: tuple[str, ...], now: tuple[str, ...]) -> list:
    """The freeze of `table` with other columns that may change."""
    old = Frozen(table, allow_update=before)
    return [migrations.RunSQL(old.reverse_sql, old.sql), Frozen(table, allow_update=now)]


PERSON = ("password", "full_name", "email", "phone", "language", "is_active")


class Migration(migrations.Migration):

    dependencies = [
        ('staff', '0002_signatures_fall'),
        ('account', '0009_emailaddress_unique_primary_email'),
        ('mfa', '0003_authenticator_type_uniq'),
    ]

    operations = [
        migrations.CreateModel(
            name='Session',
            fields=[
                ('session_key', models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name='session key')),
                ('session_data', models.TextField(verbose_name='session data')),
                ('expire_date', models.DateTimeField(db_index=True, verbose_name='expire date')),
                ('signed_in_at', models.DateTimeField(null=True, verbose_name='signed in at')),
                ('seen_at', models.DateTimeField(null=True, verbose_name='last active')),
                ('address', models.GenericIPAddressField(null=True, verbose_name='address')),
                ('browser', models.CharField(blank=True, max_length=200, verbose_name='browser')),
            ],
            options={
                'verbose_name': 'session',
                'verbose_name_plural': 'sessions',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='TokenUse',
            fields=[
                ('token', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='use', serialize=False, to=settings.KNOX_TOKEN_MODEL)),
                ('last_used_at', models.DateTimeField(null=True, verbose_name='last used')),
            ],
        ),
        migrations.AddField(
            model_name='token',
            name='responsible',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='responsible person'),
        ),
        migrations.AddField(
            model_name='token',
            name='revoked_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='revoked at'),
        ),
        migrations.AddField(
            model_name='token',
            name='scopes',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), default=[], size=None, verbose_name='scopes'),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='token',
            name='sites',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, null=True, size=None, verbose_name='hospitals'),
        ),
        migrations.AddField(
            model_name='user',
            name='invited_at',
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name='invited at'),
        ),
        migrations.RunSQL(OLD_TOKENS, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='token',
            name='responsible',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='responsible person'),
        ),
        migrations.AddConstraint(
            model_name='token',
            constraint=models.UniqueConstraint(fields=('token_key',), name='token_key_once'),
        ),
        migrations.AddConstraint(
            model_name='token',
            constraint=models.CheckConstraint(condition=models.Q(('scopes', []), _negated=True), name='token_has_scopes'),
        ),
        migrations.AddConstraint(
            model_name='token',
            constraint=models.CheckConstraint(condition=models.Q(('sites', None), models.Q(('sites', []), _negated=True), _connector='OR'), name='token_has_hospitals'),
        ),
        migrations.AddField(
            model_name='session',
            name='user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL),
        ),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        *frozen_again("staff_user", before=PERSON, now=(*PERSON, "invited_at")),
        *frozen_again("staff_token", before=("expiry",), now=("revoked_at",)),
        Audited("mfa_authenticator", secret=("data",)),
    ]
