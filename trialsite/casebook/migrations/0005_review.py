"""Review: threads of queries, verification, freezes and locks with a trigger behind them, signatures over casebooks."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy

# Nobody saves past a lock, whatever role or route; the lock itself may be hidden from who writes.
UNLOCKED = """
CREATE FUNCTION edc_unlocked() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM casebook_lock l
         WHERE l.lifted_at IS NULL
           AND (l.level = 'database'
                OR l.participant_id = NEW.participant_id
                   AND (l.level = 'participant'
                        OR l.level = 'visit' AND l.event = NEW.event
                        OR l.level = 'form' AND l.record_id = NEW.id
                        OR l.level = 'item' AND l.record_id = NEW.id AND TG_OP = 'UPDATE'
                           AND OLD.data -> l.item IS DISTINCT FROM NEW.data -> l.item))
    ) THEN
        RAISE EXCEPTION 'a freeze or lock stands over % %', NEW.event, NEW.form USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER casebook_record_unlocked BEFORE INSERT ON casebook_record
    FOR EACH ROW EXECUTE FUNCTION edc_unlocked();
CREATE TRIGGER casebook_record_unlocked_change BEFORE UPDATE ON casebook_record
    FOR EACH ROW WHEN (OLD.data IS DISTINCT FROM NEW.data OR OLD.state IS DISTINCT FROM NEW.state)
    EXECUTE FUNCTION edc_unlocked();
DROP TRIGGER casebook_query_frozen ON casebook_query;
"""
LOCKABLE = """
DROP TRIGGER casebook_record_unlocked ON casebook_record;
DROP TRIGGER casebook_record_unlocked_change ON casebook_record;
DROP FUNCTION edc_unlocked();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('casebook', '0004_limits_of_normal'),
        ('participants', '0003_consents_withdrawals'),
        ('sites', '0003_limit'),
        ('staff', '0002_signatures_fall'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='CasebookSignature',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('records', models.PositiveIntegerField(verbose_name='records')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='casebook_signatures', to='participants.participant', verbose_name='participant')),
                ('signature', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='staff.signature')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'signature over a casebook',
                'verbose_name_plural': 'signatures over casebooks',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Lock',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('level', models.CharField(choices=[('item', 'item'), ('form', 'form'), ('visit', 'visit'), ('participant', 'participant'), ('database', 'database')], max_length=12, verbose_name='reach')),
                ('kind', models.CharField(choices=[('freeze', 'freeze'), ('lock', 'lock')], max_length=10, verbose_name='kind')),
                ('event', models.CharField(blank=True, max_length=40, verbose_name='event')),
                ('item', models.CharField(blank=True, max_length=40, verbose_name='item')),
                ('reason', models.CharField(max_length=300, verbose_name='reason')),
                ('lifted_at', models.DateTimeField(blank=True, null=True, verbose_name='lifted at')),
                ('lift_reason', models.CharField(blank=True, max_length=300, verbose_name='why it was lifted')),
                ('lifted_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='lifted by')),
                ('participant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant', verbose_name='participant')),
                ('placed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
                ('record', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='locks', to='casebook.record', verbose_name='record')),
                ('site', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'lock',
                'verbose_name_plural': 'locks',
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('lifted_at', None)), fields=('level', 'participant', 'event', 'record', 'item'), name='lock_stands_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(models.Q(('level', 'database'), ('participant', None), ('record', None), ('site', None)), models.Q(('event', ''), ('level', 'participant'), ('participant__isnull', False), ('record', None)), models.Q(('level', 'visit'), ('participant__isnull', False), ('record', None), models.Q(('event', ''), _negated=True)), models.Q(('item', ''), ('level', 'form'), ('participant__isnull', False), ('record__isnull', False)), models.Q(('level', 'item'), ('participant__isnull', False), ('record__isnull', False), models.Q(('item', ''), _negated=True)), _connector='OR'), name='lock_names_what_it_reaches'), models.CheckConstraint(condition=models.Q(models.Q(('lifted_at', None), ('lifted_by', None)), models.Q(('lifted_at__isnull', False), ('lifted_by__isnull', False), models.Q(('lift_reason', ''), _negated=True)), _connector='OR'), name='lock_lifted_with_reason')],
            },
        ),
        migrations.CreateModel(
            name='QueryMessage',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('act', models.CharField(choices=[('raise', 'raised'), ('answer', 'answered'), ('close', 'closed'), ('reopen', 're-opened')], max_length=10, verbose_name='step')),
                ('text', models.TextField(max_length=2000, verbose_name='text')),
                ('reveals_arm', models.BooleanField(default=False)),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant', verbose_name='participant')),
                ('query', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='thread', to='casebook.query', verbose_name='query')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'message on a query',
                'verbose_name_plural': 'messages on queries',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='Verification',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('item', models.CharField(blank=True, max_length=40, verbose_name='item')),
                ('version', models.PositiveIntegerField(verbose_name='version')),
                ('fallen_at', models.DateTimeField(blank=True, null=True, verbose_name='fallen at')),
                ('fallen_reason', models.CharField(blank=True, max_length=300, verbose_name='why it fell')),
                ('reveals_arm', models.BooleanField(default=False)),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant', verbose_name='participant')),
                ('record', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='verifications', to='casebook.record', verbose_name='record')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('verified_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
            ],
            options={
                'verbose_name': 'verification',
                'verbose_name_plural': 'verifications',
                'ordering': ['-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('fallen_at', None)), fields=('record', 'item'), name='verification_stands_once')],
            },
        ),
        migrations.RemoveConstraint(
            model_name='query',
            name='query_open_once_per_check',
        ),
        migrations.RemoveConstraint(
            model_name='query',
            name='query_closed_with_time',
        ),
        migrations.AddField(
            model_name='query',
            name='closed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='closed by'),
        ),
        migrations.AddField(
            model_name='query',
            name='entry',
            field=models.JSONField(null=True, verbose_name='entry'),
        ),
        migrations.AddField(
            model_name='query',
            name='origin',
            field=models.CharField(choices=[('check', 'check'), ('person', 'person')], default='check', max_length=10, verbose_name='from'),
        ),
        migrations.AlterField(
            model_name='query',
            name='state',
            field=models.CharField(choices=[('open', 'open'), ('answered', 'answered'), ('closed', 'closed')], default='open', max_length=10, verbose_name='state'),
        ),
        migrations.AddConstraint(
            model_name='query',
            constraint=models.UniqueConstraint(condition=models.Q(models.Q(('state', 'closed'), _negated=True), ('origin', 'check')), fields=('record', 'check_id'), name='query_open_once_per_check'),
        ),
        migrations.AddConstraint(
            model_name='query',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('closed_by', None), ('state__in', ['open', 'answered'])), models.Q(('closed_at__isnull', False), ('state', 'closed')), _connector='OR'), name='query_closed_with_time'),
        ),
        migrations.RunSQL(UNLOCKED, LOCKABLE),
        Frozen("casebook_query", allow_update=("state", "closed_at", "closed_by_id")),
        Audited("casebook_querymessage"),
        Frozen("casebook_querymessage"),
        SitePolicy("casebook_querymessage", hides_arm=True),
        Audited("casebook_verification"),
        Frozen("casebook_verification", allow_update=("fallen_at", "fallen_reason")),
        SitePolicy("casebook_verification", hides_arm=True),
        Audited("casebook_lock"),
        Frozen("casebook_lock", allow_update=("lifted_at", "lifted_by_id", "lift_reason")),
        SitePolicy("casebook_lock", shared=True),
        Audited("casebook_casebooksignature"),
        Frozen("casebook_casebooksignature"),
        SitePolicy("casebook_casebooksignature"),
    ]
