"""Signatures over casebooks that stand already hide like those to come."""

from django.db import migrations

from trialsite.staff.operations import ScatteredIds

HIDE = """
ALTER TABLE staff_signature DISABLE TRIGGER USER;
ALTER TABLE staff_signedversion DISABLE TRIGGER USER;
UPDATE staff_signature SET reveals_arm = true WHERE id IN (SELECT signature_id FROM casebook_casebooksignature);
UPDATE staff_signedversion SET reveals_arm = true
 WHERE signature_id IN (SELECT signature_id FROM casebook_casebooksignature);
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE staff_signature ENABLE TRIGGER USER;
ALTER TABLE staff_signedversion ENABLE TRIGGER USER;
"""


class Migration(migrations.Migration):

    dependencies = [("casebook", "0007_amended_forms"), ("staff", "0005_signatures_hide")]

    operations = [migrations.RunSQL(HIDE, migrations.RunSQL.noop), ScatteredIds("casebook_score")]
