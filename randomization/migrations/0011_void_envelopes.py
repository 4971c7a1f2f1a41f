"""An envelope that nobody can be entered for is declared void by two people; the list of envelopes goes on behind it."""

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

import trialsite.core.clock
from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy

# As in 0003 and 0004, and: caps count the entries of both kinds; envelopes move on by a declaration too, which takes no
# place under a cap.
DOOR = r"""
CREATE OR REPLACE FUNCTION edc_stratum_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.voided <> OLD.voided THEN
        PERFORM FROM randomization_voidenvelope v
         WHERE v.stratum_id = NEW.id AND v.index = OLD.next_emergency AND NEW.voided = OLD.voided + 1
           AND NEW.next_emergency = OLD.next_emergency + 1 AND NEW.next_index = OLD.next_index;
    ELSE
        PERFORM FROM randomization_allocation a
         WHERE a.stratum_id = NEW.id
           AND (NEW.next_index - OLD.next_index) + (NEW.next_emergency - OLD.next_emergency) = 1
           AND NEW.next_index >= OLD.next_index AND NEW.next_emergency >= OLD.next_emergency
           AND a.kind = CASE WHEN NEW.next_index > OLD.next_index THEN 'main' ELSE 'emergency' END
           AND a.index = CASE WHEN NEW.next_index > OLD.next_index THEN OLD.next_index ELSE OLD.next_emergency END;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the list moves on by an allocation only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'stratum_moves_by_allocation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER randomization_stratum_moved ON randomization_stratum;
CREATE CONSTRAINT TRIGGER randomization_stratum_moved AFTER UPDATE ON randomization_stratum
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.next_index <> NEW.next_index OR OLD.next_emergency <> NEW.next_emergency OR OLD.voided <> NEW.voided)
    EXECUTE FUNCTION edc_stratum_moved();

-- By who steers the list there, of the next envelope, under the signatures of two.
CREATE FUNCTION edc_void_fits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM randomization_stratum s
     WHERE s.id = NEW.stratum_id AND s.site_id = NEW.site_id AND s.next_emergency = NEW.index + 1
       AND s.site_id = ANY (edc_sites('sequence.manage')) AND NEW.declared_by_id = edc_actor();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this is not the next envelope of a list that the actor steers'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'void_fits_the_list';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER randomization_voidenvelope_fits BEFORE INSERT ON randomization_voidenvelope
    FOR EACH ROW EXECUTE FUNCTION edc_void_fits();

CREATE OR REPLACE FUNCTION edc_allocation_fits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    place bytea := edc_field(int4send(NEW.index));
    hidden bytea := edc_field(NEW.r);
BEGIN
    -- An envelope was opened on paper, whatever the state is now. A leaf without an arm commits a draw.
    PERFORM FROM randomization_stratum s
      JOIN randomization_scheme c ON c.id = s.scheme_id
      JOIN randomization_sealedentry e ON e.stratum_id = s.id AND e.kind = NEW.kind AND e.index = NEW.index
      JOIN participants_participant p ON p.id = NEW.participant_id AND p.site_id = s.site_id
     WHERE s.id = NEW.stratum_id AND s.site_id = NEW.site_id
       AND NEW.index + 1 = CASE NEW.kind WHEN 'main' THEN s.next_index ELSE s.next_emergency END
       AND (c.state = 'active' OR NEW.kind = 'emergency')
       AND c.position = NEW.position AND c.head = NEW.hash AND c.arms ? NEW.arm
       AND e.leaf IN (
           sha256('\x00'::bytea || edc_field(convert_to(s.key, 'UTF8')) || place
                  || edc_field(convert_to(NEW.arm, 'UTF8')) || hidden),
           sha256('\x00'::bytea || edc_field(convert_to(s.key, 'UTF8')) || place || edc_field(''::bytea) || hidden));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this allocation is not the next entry of the sealed list'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits_the_list';
    END IF;
    PERFORM FROM randomization_stratum s
      JOIN randomization_scheme c ON c.id = s.scheme_id
      JOIN sites_site h ON h.id = s.site_id
     WHERE s.id = NEW.stratum_id AND edc_era_holds(c.id)
       AND (NEW.kind = 'emergency'
            OR s.state = 'active' AND h.state = 'active'
           AND NEW.position <= least(c.cap, c.total_cap) AND NEW.index <= s.length
           AND (s.cap IS NULL OR s.next_index + s.next_emergency - s.voided - 2 <= s.cap)
           AND (SELECT sum(o.next_index + o.next_emergency - o.voided - 2) FROM randomization_stratum o
                 WHERE o.scheme_id = c.id AND o.site_id = h.id)
               <= coalesce(least(h.cap, h."limit"), c.total_cap));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a pause, a cap or a restored backup forbids this allocation'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_is_permitted';
    END IF;
    RETURN NEW;
END $$;

DROP TRIGGER randomization_stratum_frozen ON randomization_stratum;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("randomization", "0010_trial_wide"),
        ("sites", "0003_limit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="stratum",
            name="voided",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="VoidEnvelope",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "created_at",
                    models.DateTimeField(
                        default=trialsite.core.clock.now, editable=False, verbose_name="created at"
                    ),
                ),
                ("index", models.PositiveIntegerField(verbose_name="number of the envelope")),
                ("reason", models.CharField(max_length=300, verbose_name="reason")),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="second person",
                    ),
                ),
                (
                    "declared_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="sites.site",
                        verbose_name="hospital",
                    ),
                ),
                (
                    "stratum",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="voids",
                        to="randomization.stratum",
                        verbose_name="stratum",
                    ),
                ),
            ],
            options={
                "verbose_name": "void envelope",
                "verbose_name_plural": "void envelopes",
                "ordering": ["stratum", "index"],
                "constraints": [
                    models.UniqueConstraint(fields=("stratum", "index"), name="envelope_void_once"),
                    models.CheckConstraint(
                        condition=models.Q(("confirmed_by", models.F("declared_by")), _negated=True),
                        name="envelope_void_by_two",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="envelope_void_says_why"
                    ),
                ],
            },
        ),
        migrations.RunSQL(DOOR, migrations.RunSQL.noop),
        Frozen(
            "randomization_stratum",
            allow_update=("state", "cap", "next_index", "next_emergency", "voided"),
        ),
        Audited("randomization_voidenvelope"),
        Frozen("randomization_voidenvelope"),
        SitePolicy("randomization_voidenvelope", sees="ledger.view"),
    ]
