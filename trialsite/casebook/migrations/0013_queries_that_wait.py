"""What waits for an answer is found by its age, without reading what is closed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("casebook", "0012_hidden_at_once")]

    operations = [
        migrations.AddIndex(
            model_name="query",
            index=models.Index(
                condition=models.Q(("state", "open")), fields=["created_at"], name="query_waiting"
            ),
        ),
    ]
