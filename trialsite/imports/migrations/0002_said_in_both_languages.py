"""Why a row was refused is kept in both languages; what was kept before stands in the one that it was told in."""

from django.db import migrations, models

# The rows are frozen: they are read anew into another type, not updated.
BOTH = """
ALTER TABLE imports_rowfault ALTER COLUMN fields TYPE jsonb USING jsonb_build_object(
    'en', jsonb_build_object('message', message, 'fields', fields),
    'zh', jsonb_build_object('message', message, 'fields', fields));
"""
ONE = "ALTER TABLE imports_rowfault ALTER COLUMN fields TYPE jsonb USING fields #> '{en,fields}';"


class Migration(migrations.Migration):
    dependencies = [("imports", "0001_imports")]

    operations = [
        migrations.RunSQL(BOTH, ONE),
        migrations.RemoveField("rowfault", "message"),
        migrations.RenameField("rowfault", "fields", "said"),
        migrations.AlterField("rowfault", "said", models.JSONField(verbose_name="message")),
    ]
