"""The trail tells that a file has a title, not which: it may name the participant to readers who may not see the file.

Nothing is lost: the row keeps its title for good, it is frozen.
"""

from django.db import migrations

from trialsite.audit.operations import Audited


class Migration(migrations.Migration):

    dependencies = [
        ("attachments", "0002_identifying_files_of_records"),
    ]

    operations = [
        migrations.RunSQL(
            "DROP TRIGGER attachments_attachment_trail ON attachments_attachment;"
            "DROP TRIGGER attachments_attachment_no_truncate ON attachments_attachment;",
            migrations.RunSQL.noop,
        ),
        Audited("attachments_attachment", secret=("title",)),
    ]
