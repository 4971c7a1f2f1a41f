"""Why screening failed, who is the same person, and the one door through which a participant moves to another hospital."""

import django.contrib.postgres.fields
import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy

FUNCTIONS = r"""
-- Runs as its owner: who has moved to another hospital still holds the number.
CREATE FUNCTION edc_next_number(hospital text) RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce(max(split_part(code, '-', 2)::integer), 0) + 1 FROM participants_participant
     WHERE split_part(code, '-', 1) = hospital AND edc_actor() IS NOT NULL
$$;

-- As before, and: inside edc_transfer, which runs as the tables' owner, the hospital of a row may change.
CREATE OR REPLACE FUNCTION edc_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% keeps every row', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    FOR name IN SELECT jsonb_object_keys(to_jsonb(NEW)) LOOP
        -- Without arguments TG_ARGV is null, and so would be the comparison.
        IF NOT coalesce(name = ANY (TG_ARGV), false) AND to_jsonb(OLD) -> name IS DISTINCT FROM to_jsonb(NEW) -> name
           AND NOT (name = 'site_id' AND edc_transferring(TG_RELID)) THEN
            RAISE EXCEPTION '%.% cannot change once written', TG_TABLE_NAME, name
                USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE FUNCTION edc_transferring(relation oid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('edc.transfer', true), '') <> ''
       AND current_user = pg_get_userbyid((SELECT relowner FROM pg_class WHERE oid = relation))
$$;

DROP TRIGGER staff_signature_stays_fallen ON staff_signature;
CREATE TRIGGER staff_signature_stays_fallen BEFORE UPDATE OF fallen_at, fallen_reason ON staff_signature
    FOR EACH ROW WHEN (OLD.fallen_at IS NOT NULL) EXECUTE FUNCTION edc_stay_fallen();

-- Every row of a participant takes the new hospital, in the caller's transaction; randomization's rows stay.
CREATE FUNCTION edc_transfer(who bigint, goal bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    named text;
    owned text;
BEGIN
    IF edc_actor() IS NULL OR NOT edc_everywhere('participant.transfer') THEN
        RAISE EXCEPTION 'only whoever may transfer participants moves them' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF trim(coalesce(current_setting('edc.reason', true), '')) = '' THEN
        RAISE EXCEPTION 'a transfer needs a reason' USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT code INTO STRICT named FROM participants_participant WHERE id = who FOR UPDATE;
    PERFORM FROM participants_transfer t JOIN participants_participant p ON p.id = t.participant_id
      JOIN sites_site s ON s.id = t.to_site_id AND s.state = 'active'
     WHERE t.participant_id = who AND t.to_site_id = goal AND t.from_site_id = p.site_id AND t.to_site_id <> p.site_id
       AND t.id = (SELECT max(id) FROM participants_transfer WHERE participant_id = who);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a transfer is recorded before it is made' USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM set_config('edc.transfer', who::text, true);
    FOR owned IN
        SELECT c.table_name FROM information_schema.columns c
          JOIN information_schema.columns p USING (table_schema, table_name)
          JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = 'public' AND c.column_name = 'site_id' AND p.column_name = 'participant_id'
           AND t.table_type = 'BASE TABLE' AND c.table_name NOT LIKE 'randomization\_%' AND c.table_name <> 'audit_event'
         ORDER BY c.table_name
    LOOP
        EXECUTE format('UPDATE %I SET site_id = $1 WHERE participant_id = $2 AND site_id <> $1', owned) USING goal, who;
    END LOOP;
    UPDATE staff_signature SET site_id = goal
     WHERE id IN (SELECT signature_id FROM eligibility_signedverdict WHERE participant_id = who);
    UPDATE staff_signedversion SET site_id = goal
     WHERE signature_id IN (SELECT signature_id FROM eligibility_signedverdict WHERE participant_id = who);
    UPDATE outbox_message SET site_id = goal WHERE subject_code = named;
    UPDATE participants_participant SET site_id = goal WHERE id = who;
    PERFORM set_config('edc.transfer', '', true);
END $$;

-- Runs as its owner: the hospital that registers a person learns nothing of the other one.
CREATE FUNCTION edc_same_person() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    other bigint;
BEGIN
    FOR other IN SELECT participant_id FROM participants_identity
                  WHERE digests && NEW.digests AND site_id <> NEW.site_id ORDER BY participant_id
    LOOP
        INSERT INTO participants_sameperson (created_at, first_id, second_id)
        VALUES (clock_timestamp(), other, NEW.participant_id) ON CONFLICT DO NOTHING;
        INSERT INTO outbox_message (created_at, key, kind, recipient, channel, payload, subject_code, site_id, due_at,
                                    state, attempts, answer)
        SELECT DISTINCT clock_timestamp(), concat_ws(':', 'same_person', other, NEW.participant_id, 'user', u.id),
               'same_person', 'user:' || u.id, 'email', '{}'::jsonb, '', NEW.site_id, clock_timestamp(), 'pending', 0, ''
          FROM staff_membership m JOIN staff_user u ON u.id = m.user_id AND u.is_active AND u.email <> ''
          JOIN staff_rolecapability c ON c.role = m.role AND c.capability = 'identity.review'
         WHERE m.site_id IS NULL AND m.starts_at <= statement_timestamp()
           AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp())
        ON CONFLICT (key) DO NOTHING;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER participants_identity_same AFTER INSERT ON participants_identity
    FOR EACH ROW EXECUTE FUNCTION edc_same_person();

ALTER TABLE participants_sameperson ENABLE ROW LEVEL SECURITY;
CREATE POLICY participants_sameperson_read ON participants_sameperson FOR SELECT
    USING ((SELECT edc_everywhere('identity.review')));
REVOKE INSERT, UPDATE, DELETE ON participants_sameperson FROM edc_app;

-- The alert is for its recipient and the sender, in the outbox and in the hospitals' part of the trail.
CREATE POLICY outbox_message_same_person ON outbox_message AS RESTRICTIVE FOR SELECT
    USING (kind <> 'same_person' OR recipient = 'user:' || (SELECT edc_actor()) OR (SELECT edc_everywhere('outbox.send')));
CREATE POLICY audit_event_same_person ON audit_event AS RESTRICTIVE FOR SELECT
    USING (table_name <> 'outbox_message' OR changes -> 'kind' ->> 1 IS DISTINCT FROM 'same_person'
           OR (SELECT edc_everywhere('identity.review')));
"""


class Migration(migrations.Migration):

    dependencies = [
        ('outbox', '0002_hands'),
        ('staff', '0003_signin'),
        ('participants', '0003_consents_withdrawals'),
        ('sites', '0003_limit'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Identity',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('digests', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), size=None)),
                ('participant', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='identity', to='participants.participant')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site')),
            ],
            options={
                'verbose_name': 'blind index of a person',
                'verbose_name_plural': 'blind indexes of persons',
            },
        ),
        migrations.CreateModel(
            name='Transfer',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('reason', models.CharField(max_length=300, verbose_name='reason')),
                ('from_site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='from')),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='transfers', to='participants.participant', verbose_name='participant')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('to_site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='to')),
            ],
            options={
                'verbose_name': 'transfer',
                'verbose_name_plural': 'transfers',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='SamePerson',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('first', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant', verbose_name='first')),
                ('second', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant', verbose_name='second')),
            ],
            options={
                'verbose_name': 'same person',
                'verbose_name_plural': 'same persons',
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(fields=('first', 'second'), name='same_person_once'), models.CheckConstraint(condition=models.Q(('first', models.F('second')), _negated=True), name='same_person_of_two')],
            },
        ),
        migrations.CreateModel(
            name='ScreenFailure',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('reason', models.CharField(choices=[('criteria', 'criteria not satisfied'), ('declined', 'declined to take part'), ('physician', 'decision of the physician'), ('other_treatment', 'other treatment preferred'), ('lost', 'could not be reached'), ('other', 'other reason')], max_length=20, verbose_name='reason')),
                ('criteria', models.JSONField(default=list, verbose_name='criteria')),
                ('note', models.CharField(blank=True, max_length=500, verbose_name='note')),
                ('participant', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='screen_failure', to='participants.participant', verbose_name='participant')),
                ('recorded_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='recorded by')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'screen failure',
                'verbose_name_plural': 'screen failures',
                'constraints': [models.CheckConstraint(condition=models.Q(('reason__in', ['criteria', 'declined', 'physician', 'other_treatment', 'lost', 'other'])), name='screen_failure_reason_known'), models.CheckConstraint(condition=models.Q(models.Q(('reason', 'criteria'), _negated=True), models.Q(('criteria', []), _negated=True), _connector='OR'), name='screen_failure_names_criteria')],
            },
        ),
        Audited("participants_screenfailure"),
        Frozen("participants_screenfailure"),
        SitePolicy("participants_screenfailure"),
        Audited("participants_identity", secret=("digests",)),
        Frozen("participants_identity"),
        SitePolicy("participants_identity"),
        Audited("participants_transfer"),
        Frozen("participants_transfer"),
        SitePolicy("participants_transfer"),
        Audited("participants_sameperson"),
        Frozen("participants_sameperson"),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
    ]
