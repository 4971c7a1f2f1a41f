"""Records of one form at one event are numbered from 1 to 9999."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("casebook", "0014_envelopes_move")]

    operations = [
        migrations.RemoveConstraint(model_name="record", name="record_counts_from_one"),
        migrations.AddConstraint(
            model_name="record",
            constraint=models.CheckConstraint(
                condition=models.Q(("repeat__gte", 1), ("repeat__lte", 9999), ("version__gte", 1)),
                name="record_counts_from_one",
            ),
        ),
    ]
