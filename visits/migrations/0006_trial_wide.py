"""The official calendar holds for all hospitals."""

from django.db import migrations

from trialsite.staff.operations import TrialWide


class Migration(migrations.Migration):

    dependencies = [("visits", "0005_feeds_by_hand"), ("staff", "0009_trial_wide")]

    operations = [
        TrialWide("visits_holiday", needs="holiday.manage"),
        TrialWide("visits_holidayyear", needs="holiday.manage"),
    ]
