"""Keys of signatures are random: some signatures are hidden, and gaps would tell of them."""

from django.db import migrations, models

from trialsite.staff.operations import ScatteredIds


class Migration(migrations.Migration):

    dependencies = [("staff", "0006_roles_apart")]

    operations = [
        ScatteredIds("staff_signature"),
        ScatteredIds("staff_signedversion"),
        migrations.AddIndex("signature", models.Index(fields=["-created_at", "-id"], name="signature_newest")),
        migrations.AlterModelOptions(
            "signature",
            {
                "ordering": ["-created_at", "-id"],
                "verbose_name": "signature",
                "verbose_name_plural": "signatures",
            },
        ),
    ]
