"""Keys of appointments and former windows are random like those of their visits."""

from django.db import migrations

from trialsite.staff.operations import ScatteredIds


class Migration(migrations.Migration):

    dependencies = [("visits", "0003_scattered_ids")]

    operations = [ScatteredIds("visits_appointment"), ScatteredIds("visits_formerwindow")]
