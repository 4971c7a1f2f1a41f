"""A file of a record may show who the participant is, if its uploader says so."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("attachments", "0001_attachments"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="attachment", name="attachment_belongs_to_one"),
        migrations.RemoveConstraint(model_name="attachment", name="attachment_once"),
        migrations.AddConstraint(
            model_name="attachment",
            constraint=models.CheckConstraint(
                condition=Q(("consent", None), ("record__isnull", False))
                | Q(("consent__isnull", False), ("identifies", True), ("record", None)),
                name="attachment_belongs_to_one",
            ),
        ),
        migrations.AddConstraint(
            model_name="attachment",
            constraint=models.UniqueConstraint(
                condition=Q(("withdrawn_at", None)),
                fields=("record", "consent", "sha256", "identifies"),
                name="attachment_once",
                nulls_distinct=False,
            ),
        ),
    ]
