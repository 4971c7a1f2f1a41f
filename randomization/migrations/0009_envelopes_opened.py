"""When an envelope was opened; caps count envelopes too; whoever reads the ledger reads who entered one wrongly."""

from django.db import migrations, models

# As in 0004, and: what a stratum's cap counts is the entries of both kinds.
DOOR = r"""
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
           AND (s.cap IS NULL OR s.next_index + s.next_emergency - 2 <= s.cap)
           AND (SELECT sum(o.next_index + o.next_emergency - 2) FROM randomization_stratum o
                 WHERE o.scheme_id = c.id AND o.site_id = h.id)
               <= coalesce(least(h.cap, h."limit"), c.total_cap));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a pause, a cap or a restored backup forbids this allocation'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_is_permitted';
    END IF;
    RETURN NEW;
END $$;

DROP POLICY audit_event_sequence ON audit_event;
CREATE POLICY audit_event_sequence ON audit_event FOR SELECT USING (
    NOT reveals_arm
    AND (site_id IS NULL AND (
            table_name = ANY ('{randomization_scheme,randomization_era,randomization_attestation,randomization_access}')
            OR table_name = 'randomization_allocation' AND action = ANY ('{view,export}'))
         OR table_name = 'randomization_envelope')
    AND (SELECT edc_everywhere('ledger.view')));
"""


class Migration(migrations.Migration):
    dependencies = [("randomization", "0008_counts_of_other_hospitals")]

    operations = [
        migrations.AddField(
            model_name="allocation",
            name="opened_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="envelope opened at"),
        ),
        migrations.AddConstraint(
            model_name="allocation",
            constraint=models.CheckConstraint(
                condition=models.Q(("opened_at", None))
                | models.Q(("kind", "emergency"), ("opened_at__lte", models.F("allocated_at"))),
                name="allocation_opened_before_entered",
            ),
        ),
        migrations.RunSQL(DOOR, migrations.RunSQL.noop),
    ]
