"""Strata and entries come with the list; a stratum is steered, and its envelopes are declared void, by right there."""

from django.db import migrations

from trialsite.staff.operations import TrialWide


class Migration(migrations.Migration):

    dependencies = [
        ("randomization", "0012_log_of_void_envelopes"),
        ("staff", "0010_hospitals_and_accounts"),
    ]

    operations = [
        TrialWide(
            "randomization_stratum",
            needs="sequence.manage",
            columns=("state", "cap", "voided"),
            hospital="site_id",
        ),
        TrialWide("randomization_sealedentry", needs="sequence.manage"),
    ]
