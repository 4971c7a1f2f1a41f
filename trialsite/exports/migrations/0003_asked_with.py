"""The token that a snapshot was asked for with: the worker reads no more than it allows."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("exports", "0002_portions")]

    operations = [
        migrations.AddField(
            model_name="snapshot",
            name="session",
            field=models.CharField(blank=True, default="", max_length=80),
            preserve_default=False,
        ),
    ]
