"""Contact details under one data key for each participant, with blind indexes; consent to be contacted.

Details entered before, under the ring itself, are not carried over: no release has written any.
"""

from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen

ERASED_STAYS = """
CREATE FUNCTION edc_contact_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'these contact details were erased' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER participants_contact_erased BEFORE UPDATE OF sealed, wrapped_key, key_id, name_index, phone_index,
    email_index, index_key_id, language, channel, contact_consent, opted_out, erased_at ON participants_contact
    FOR EACH ROW WHEN (OLD.erased_at IS NOT NULL AND OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION edc_contact_erased();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('participants', '0001_participants'),
        ('sites', '0001_sites'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='contact',
            name='email',
        ),
        migrations.RemoveField(
            model_name='contact',
            name='name',
        ),
        migrations.RemoveField(
            model_name='contact',
            name='phone',
        ),
        migrations.AddField(
            model_name='contact',
            name='channel',
            field=models.CharField(choices=[('email', 'e-mail'), ('sms', 'text message')], default='email', max_length=10, verbose_name='preferred channel'),
        ),
        migrations.AddField(
            model_name='contact',
            name='contact_consent',
            field=models.BooleanField(default=False, verbose_name='agrees to be contacted'),
        ),
        migrations.AddField(
            model_name='contact',
            name='email_index',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddField(
            model_name='contact',
            name='erased_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='erased at'),
        ),
        migrations.AddField(
            model_name='contact',
            name='index_key_id',
            field=models.CharField(blank=True, default='', max_length=16),
        ),
        migrations.AddField(
            model_name='contact',
            name='key_id',
            field=models.CharField(blank=True, default='', max_length=16),
        ),
        migrations.AddField(
            model_name='contact',
            name='name_index',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddField(
            model_name='contact',
            name='phone_index',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddField(
            model_name='contact',
            name='sealed',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddField(
            model_name='contact',
            name='wrapped_key',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(condition=models.Q(('name_index', ''), _negated=True), fields=['name_index'], name='contact_by_name'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(condition=models.Q(('phone_index', ''), _negated=True), fields=['phone_index'], name='contact_by_phone'),
        ),
        migrations.AddIndex(
            model_name='contact',
            index=models.Index(condition=models.Q(('email_index', ''), _negated=True), fields=['email_index'], name='contact_by_email'),
        ),
        migrations.AddConstraint(
            model_name='contact',
            constraint=models.CheckConstraint(condition=models.Q(('erased_at', None), models.Q(('email_index', ''), ('name_index', ''), ('phone_index', ''), ('sealed', ''), ('wrapped_key', ''), ('contact_consent', False), ('opted_out', True)), _connector='OR'), name='contact_erased_is_empty'),
        ),
        migrations.AddConstraint(
            model_name='contact',
            constraint=models.CheckConstraint(condition=models.Q(('channel__in', ['email', 'sms'])), name='contact_channel_known'),
        ),
        migrations.RunSQL(
            "DROP TRIGGER participants_contact_trail ON participants_contact;"
            "DROP TRIGGER participants_contact_no_truncate ON participants_contact;",
            migrations.RunSQL.noop,
        ),
        Audited(
            "participants_contact",
            secret=("sealed", "wrapped_key", "name_index", "phone_index", "email_index"),
        ),
        Frozen(
            "participants_contact",
            allow_update=(
                "sealed", "wrapped_key", "key_id", "name_index", "phone_index", "email_index", "index_key_id",
                "language", "channel", "contact_consent", "opted_out", "erased_at",
            ),
        ),
        migrations.RunSQL(ERASED_STAYS, "DROP TRIGGER participants_contact_erased ON participants_contact;"),
    ]
