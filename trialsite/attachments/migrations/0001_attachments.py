"""Files of records and consents: trailed without their bytes, never changed; hidden with the arm and with the name."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import ScatteredIds, SitePolicy

TABLES = ("attachments_attachment", "attachments_attachmentcontent")


def _identity(table):
    """Beside the policy of the hospital: what shows who the participant is, only to whoever sees contact details."""
    return migrations.RunSQL(
        f"CREATE POLICY {table}_identity ON {table} AS RESTRICTIVE FOR SELECT"
        " USING (NOT identifies OR site_id = ANY ((SELECT edc_sites('contact.view'))::bigint[]));",
        f"DROP POLICY {table}_identity ON {table};",
    )


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('casebook', '0006_blinding'),
        ('participants', '0004_screening'),
        ('sites', '0003_limit'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Attachment',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('title', models.CharField(max_length=120, verbose_name='title')),
                ('content_type', models.CharField(max_length=40, verbose_name='type')),
                ('size', models.PositiveIntegerField(verbose_name='bytes')),
                ('sha256', models.CharField(max_length=64, verbose_name='hash')),
                ('identifies', models.BooleanField(default=False)),
                ('reveals_arm', models.BooleanField(default=False)),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True, verbose_name='withdrawn at')),
                ('withdrawn_reason', models.CharField(blank=True, max_length=300, verbose_name='why it was withdrawn')),
                ('added_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='added by')),
                ('consent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='attachments', to='participants.consent', verbose_name='consent')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='attachments', to='participants.participant', verbose_name='participant')),
                ('record', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='attachments', to='casebook.record', verbose_name='record')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('withdrawn_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='withdrawn by')),
            ],
            options={
                'verbose_name': 'attachment',
                'verbose_name_plural': 'attachments',
                'ordering': ['participant', 'created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='AttachmentContent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('identifies', models.BooleanField(default=False)),
                ('reveals_arm', models.BooleanField(default=False)),
                ('data', models.BinaryField()),
                ('attachment', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='content', to='attachments.attachment')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site')),
            ],
            options={
                'verbose_name': 'content of an attachment',
                'verbose_name_plural': 'contents of attachments',
            },
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=models.UniqueConstraint(condition=models.Q(('withdrawn_at', None)), fields=('record', 'consent', 'sha256'), name='attachment_once', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('consent', None), ('identifies', False), ('record__isnull', False)), models.Q(('consent__isnull', False), ('identifies', True), ('record', None)), _connector='OR'), name='attachment_belongs_to_one'),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=models.CheckConstraint(condition=models.Q(('content_type__in', ['application/pdf', 'image/jpeg', 'image/png'])), name='attachment_type_known'),
        ),
        migrations.AddConstraint(
            model_name='attachment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('withdrawn_at', None), ('withdrawn_by', None)), models.Q(('withdrawn_at__isnull', False), ('withdrawn_by__isnull', False), models.Q(('withdrawn_reason', ''), _negated=True)), _connector='OR'), name='attachment_withdrawn_with_reason'),
        ),
        Audited("attachments_attachment"),
        Frozen(
            "attachments_attachment", allow_update=("withdrawn_at", "withdrawn_by_id", "withdrawn_reason")
        ),
        Audited("attachments_attachmentcontent", secret=("data",)),
        Frozen("attachments_attachmentcontent"),
        *[SitePolicy(table, hides_arm=True) for table in TABLES],
        *[_identity(table) for table in TABLES],
        *[ScatteredIds(table) for table in TABLES],
    ]
