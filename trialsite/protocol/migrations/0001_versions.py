"""Protocol versions: audited, and frozen from the first moment."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import trialsite.core.clock
from trialsite.audit.operations import Audited, Frozen


class Migration(migrations.Migration):
    initial = True
    dependencies = [("staff", "0001_people")]

    operations = [
        migrations.CreateModel(
            name="ProtocolVersion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("created_at", models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name="created at")),
                ("trial_id", models.CharField(max_length=40, verbose_name="trial")),
                ("version", models.CharField(max_length=40, verbose_name="version")),
                ("sha256", models.CharField(max_length=64, unique=True, verbose_name="hash")),
                ("document", models.JSONField(verbose_name="content")),
                (
                    "loaded_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="loaded by",
                    ),
                ),
            ],
            options={
                "verbose_name": "protocol version",
                "verbose_name_plural": "protocol versions",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("trial_id", "version"), name="protocol_version_once")
                ],
            },
        ),
        Audited("protocol_protocolversion", secret=("document",)),
        Frozen("protocol_protocolversion"),
    ]
