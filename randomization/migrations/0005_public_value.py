"""The public value that was combined with the parties' secrets, which a verifier needs."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('randomization', '0004_live_life'),
    ]

    operations = [
        migrations.AddField(
            model_name='scheme',
            name='public',
            field=models.CharField(blank=True, max_length=400),
        ),
    ]
