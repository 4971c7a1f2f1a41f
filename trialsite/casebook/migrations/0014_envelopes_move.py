"""The signatures over an opened envelope move to another hospital with its participant, as all others do."""

from django.db import migrations

MOVES = r"""
-- As in 0009, and: the signatures over what an opened envelope held move as the others do.
CREATE OR REPLACE FUNCTION edc_transfer(who bigint, goal bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    named text;
    owned text;
    signed bigint[];
BEGIN
    IF edc_actor() IS NULL OR NOT edc_everywhere('participant.transfer') THEN
        RAISE EXCEPTION 'only whoever may transfer participants moves them' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF trim(coalesce(current_setting('edc.reason', true), '')) = '' THEN
        RAISE EXCEPTION 'a transfer needs a reason' USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT code INTO STRICT named FROM participants_participant WHERE id = who FOR UPDATE;
    PERFORM FROM participants_transfer t JOIN participants_participant p ON p.id = t.participant_id
      JOIN sites_site s ON s.id = t.to_site_id AND s.state = 'active'
     WHERE t.participant_id = who AND t.to_site_id = goal AND t.from_site_id = p.site_id AND t.to_site_id <> p.site_id
       AND t.id = (SELECT max(id) FROM participants_transfer WHERE participant_id = who);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a transfer is recorded before it is made' USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM set_config('edc.transfer', who::text, true);
    FOR owned IN
        SELECT c.table_name FROM information_schema.columns c
          JOIN information_schema.columns p USING (table_schema, table_name)
          JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = 'public' AND c.column_name = 'site_id' AND p.column_name = 'participant_id'
           AND t.table_type = 'BASE TABLE' AND c.table_name NOT LIKE 'randomization\_%' AND c.table_name <> 'audit_event'
         ORDER BY c.table_name
    LOOP
        EXECUTE format('UPDATE %I SET site_id = $1 WHERE participant_id = $2 AND site_id <> $1', owned) USING goal, who;
    END LOOP;
    signed := ARRAY(SELECT signature_id FROM eligibility_signedverdict WHERE participant_id = who
                    UNION SELECT signature_id FROM casebook_casebooksignature WHERE participant_id = who
                    UNION SELECT signature_id FROM staff_signedversion WHERE kind = 'envelope' AND record_id = who);
    UPDATE staff_signature SET site_id = goal WHERE id = ANY (signed);
    UPDATE staff_signedversion SET site_id = goal WHERE signature_id = ANY (signed);
    UPDATE outbox_message SET site_id = goal WHERE subject_code = named;
    UPDATE participants_participant SET site_id = goal WHERE id = who;
    PERFORM set_config('edc.transfer', '', true);
END $$;
"""


# Those of participants who moved before this.
HEAL = """
SELECT set_config('edc.actor', id::text, true), set_config('edc.application', 'command', true),
       set_config('edc.reason', 'moved as the rules of this version ask', true)
  FROM staff_user WHERE username = 'system.installer';
SELECT set_config('edc.transfer', 'earlier', true);
UPDATE staff_signature s SET site_id = p.site_id
  FROM staff_signedversion v JOIN participants_participant p ON p.id = v.record_id
 WHERE v.kind = 'envelope' AND v.signature_id = s.id AND s.site_id <> p.site_id;
UPDATE staff_signedversion v SET site_id = p.site_id
  FROM participants_participant p WHERE v.kind = 'envelope' AND p.id = v.record_id AND v.site_id <> p.site_id;
SELECT set_config('edc.transfer', '', true), set_config('edc.actor', '', true), set_config('edc.reason', '', true);
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("casebook", "0013_queries_that_wait"),
        ("participants", "0007_identity"),
        ("staff", "0007_scattered_signatures"),
    ]

    operations = [
        migrations.RunSQL(MOVES, migrations.RunSQL.noop),
        migrations.RunSQL(HEAL, migrations.RunSQL.noop),
    ]
