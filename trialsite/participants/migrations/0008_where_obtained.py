"""A consent keeps the hospital at which it was obtained, and a registration its key, also after a transfer.

The hospital to which a participant moves sees which form was signed, and whether who obtained it stood on the log there.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Value

from trialsite.audit.operations import Frozen

WHERE = """
SELECT set_config('edc.actor', id::text, true), set_config('edc.application', 'command', true),
       set_config('edc.reason', 'where each consent was obtained', true)
  FROM staff_user WHERE username = 'system.installer';
UPDATE participants_consent c
   SET obtained_at_id = coalesce((SELECT t.from_site_id FROM participants_transfer t
                                   WHERE t.participant_id = c.participant_id AND t.created_at > c.created_at
                                   ORDER BY t.id LIMIT 1), c.site_id);
SELECT set_config('edc.actor', '', true), set_config('edc.reason', '', true);
SET CONSTRAINTS ALL IMMEDIATE;
"""

GUARDS = """
-- As in 0003, and: of the hospital where it was obtained, on the days of both signatures, and when either is corrected.
CREATE OR REPLACE FUNCTION edc_consent_form_approved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM participants_consentform f JOIN sites_site s ON s.id = f.site_id
     WHERE f.site_id = NEW.obtained_at_id AND f.version = NEW.form_version
       AND (NEW.patient_signed_at AT TIME ZONE s.timezone)::date >= f.approved_on
       AND (NEW.family_signed_at AT TIME ZONE s.timezone)::date >= f.approved_on IS NOT FALSE
       AND (f.retired_on IS NULL
            OR (greatest(NEW.patient_signed_at, NEW.family_signed_at) AT TIME ZONE s.timezone)::date < f.retired_on);
    IF NOT FOUND OR TG_OP = 'INSERT' AND NOT EXISTS (
        SELECT FROM participants_participant p
         WHERE p.id = NEW.participant_id AND p.site_id = NEW.site_id AND p.site_id = NEW.obtained_at_id) THEN
        RAISE EXCEPTION 'this form is not approved here on the day of signing'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'consent_to_approved_form';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER participants_consent_approved ON participants_consent;
CREATE TRIGGER participants_consent_approved
    BEFORE INSERT OR UPDATE OF form_version, patient_signed_at, family_signed_at ON participants_consent
    FOR EACH ROW EXECUTE FUNCTION edc_consent_form_approved();

-- Whoever sees a consent that came with a transfer sees the form that was signed, and on the log who obtained it.
CREATE POLICY participants_consentform_signed ON participants_consentform FOR SELECT
    USING (EXISTS (SELECT FROM participants_consent c
                    WHERE c.obtained_at_id = participants_consentform.site_id AND c.site_id <> c.obtained_at_id
                      AND c.form_version = participants_consentform.version));
CREATE POLICY roster_delegation_obtained ON roster_delegation FOR SELECT
    USING (task = 'consent'
           AND EXISTS (SELECT FROM participants_consent c
                        WHERE c.obtained_at_id = roster_delegation.site_id AND c.site_id <> c.obtained_at_id
                          AND c.obtained_by_id = roster_delegation.user_id
                          AND c.site_id = ANY ((SELECT edc_sites('roster.view'))::bigint[])));
"""

THAW = "DROP TRIGGER participants_consent_frozen ON participants_consent;"
FREEZE = (
    "CREATE TRIGGER participants_consent_frozen BEFORE UPDATE OR DELETE ON participants_consent FOR EACH ROW"
    " EXECUTE FUNCTION edc_frozen('patient_signed_at', 'family_signed_at', 'version');"
)


class Migration(migrations.Migration):

    dependencies = [
        ("participants", "0007_identity"),
        ("roster", "0002_trail_reviews"),
        ("sites", "0003_limit"),
    ]

    operations = [
        migrations.AddField(
            "consent",
            "obtained_at",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="sites.site",
                verbose_name="obtained at",
            ),
        ),
        migrations.RunSQL(THAW, FREEZE),
        migrations.RunSQL(WHERE, migrations.RunSQL.noop),
        migrations.AlterField(
            "consent",
            "obtained_at",
            models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="sites.site",
                verbose_name="obtained at",
            ),
        ),
        Frozen(
            "participants_consent",
            allow_update=(
                "form_version",
                "patient_signed_at",
                "family_signed_at",
                "obtained_by_id",
                "version",
            ),
        ),
        migrations.RunSQL(GUARDS, migrations.RunSQL.noop),
        migrations.RemoveConstraint("consent", "consent_once_per_version"),
        migrations.AddConstraint(
            "consent",
            models.UniqueConstraint(
                fields=["participant", "obtained_at", "form_version"], name="consent_once_per_version"
            ),
        ),
        migrations.RemoveConstraint("participant", "participant_registered_once"),
        migrations.AddConstraint(
            "participant",
            models.UniqueConstraint(
                models.Func(
                    F("code"), Value("-"), Value(1), function="split_part", output_field=models.CharField()
                ),
                F("registration_key"),
                name="participant_registered_once",
            ),
        ),
    ]
