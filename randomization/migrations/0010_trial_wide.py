"""The list is installed, and steered as a whole, for all hospitals; an allocation moves its position and head alone."""

from django.db import migrations

from trialsite.staff.operations import TrialWide


class Migration(migrations.Migration):

    dependencies = [("randomization", "0009_envelopes_opened"), ("staff", "0009_trial_wide")]

    operations = [TrialWide("randomization_scheme", needs="sequence.manage", columns=("state", "cap"))]
