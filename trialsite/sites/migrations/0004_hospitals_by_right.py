"""A hospital is made for the trial as a whole, and changed by who manages it there, raw SQL included."""

from django.db import migrations

from trialsite.staff.operations import TrialWide


class Migration(migrations.Migration):

    dependencies = [("sites", "0003_limit"), ("staff", "0010_hospitals_and_accounts")]

    operations = [TrialWide("sites_site", needs="site.manage", hospital="id")]
