"""What is recorded although no row changes: sign-ins, refusals, views and exports."""

from django.db import migrations

NOTE = """
-- Writes one row of trail for the bound actor. Runs as its owner: the serving role has no right on the trail itself,
-- and can neither pass off a note as a change of a row nor write one in another's name.
CREATE FUNCTION edc_note(action text, about text, key text, site bigint, participant bigint, details jsonb)
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
    INSERT INTO audit_event (at, xid, actor_id, roles, action, table_name, row_key, site_id, participant_id,
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


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_trail")]

    operations = [
        migrations.RunSQL(NOTE, "DROP FUNCTION edc_note(text, text, text, bigint, bigint, jsonb)"),
    ]
