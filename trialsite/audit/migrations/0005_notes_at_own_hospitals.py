"""A note stands at a hospital of whoever writes it, and with a participant of that hospital: raw SQL is asked too."""

from django.db import migrations

NOTE = """
-- Writes one row of trail for the bound actor. Runs as its owner: the serving role has no right on the trail itself,
-- and can neither pass off a note as a change of a row nor write one in another's name.
CREATE OR REPLACE FUNCTION edc_note(action text, about text, key text, site bigint, participant bigint, details jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    actor bigint := edc_actor();
BEGIN
    IF actor IS NULL THEN
        RAISE EXCEPTION 'no actor is bound: the note % is refused', action USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF action IN ('insert', 'update', 'delete') THEN
        RAISE EXCEPTION '% is no note', action USING ERRCODE = 'check_violation';
    END IF;
{asked}    INSERT INTO audit_event (at, xid, actor_id, roles, action, table_name, row_key, site_id, participant_id,
                             reveals_arm, changes, reason, application, request, address, session)
    VALUES (clock_timestamp(), pg_current_xact_id()::text::bigint, actor, edc_roles_of(actor), action, about, key,
            site, participant, false, details,
            coalesce(current_setting('edc.reason', true), ''),
            coalesce(current_setting('edc.application', true), ''),
            coalesce(current_setting('edc.request', true), ''),
            coalesce(current_setting('edc.address', true), ''),
            coalesce(current_setting('edc.session', true), ''));
END $$;
"""
# Whatever the role is, and whatever of it a token allows there: looking on is noted by everybody. A participant who
# has moved away meanwhile was still one of the hospital.
ASKED = """    IF site IS NOT NULL AND NOT EXISTS (
        SELECT FROM sites_site s
          JOIN staff_membership m ON m.user_id = actor AND (m.site_id IS NULL OR m.site_id = s.id)
          JOIN staff_user u ON u.id = m.user_id AND u.is_active
         WHERE s.id = site AND m.starts_at <= statement_timestamp()
           AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp())
           AND (coalesce(current_setting('edc.session', true), '') NOT LIKE 'token:%' OR EXISTS (
               SELECT FROM staff_rolecapability c WHERE c.role = m.role AND edc_token_allows(c.capability, s.id)))) THEN
        RAISE EXCEPTION 'the note % is refused: its writer is not at hospital %', action, site
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF participant IS NOT NULL
       AND NOT EXISTS (SELECT FROM participants_participant p WHERE p.id = participant AND p.site_id = site)
       AND NOT EXISTS (
           SELECT FROM participants_transfer t WHERE t.participant_id = participant AND t.from_site_id = site) THEN
        RAISE EXCEPTION 'the note % is refused: participant % is not of hospital %', action, participant, site
            USING ERRCODE = 'insufficient_privilege';
    END IF;
"""


class Migration(migrations.Migration):

    dependencies = [("audit", "0004_last_acts")]

    operations = [migrations.RunSQL(NOTE.format(asked=ASKED), NOTE.format(asked=""))]
