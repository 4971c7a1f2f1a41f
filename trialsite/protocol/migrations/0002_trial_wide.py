"""A version of the protocol is one for all hospitals, which activate it each by itself."""

from django.db import migrations

from trialsite.staff.operations import TrialWide


class Migration(migrations.Migration):

    dependencies = [("protocol", "0001_versions"), ("staff", "0009_trial_wide")]

    operations = [TrialWide("protocol_protocolversion", needs="protocol.load")]
