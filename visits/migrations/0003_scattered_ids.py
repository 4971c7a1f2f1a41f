"""Keys of visits are random: some visits are hidden, and gaps would tell of them."""

from django.db import migrations

from trialsite.staff.operations import ScatteredIds


class Migration(migrations.Migration):

    dependencies = [("visits", "0002_calendar"), ("staff", "0004_blinding")]

    operations = [ScatteredIds("visits_visit")]
