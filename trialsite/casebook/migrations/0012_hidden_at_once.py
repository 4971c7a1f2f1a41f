"""What comes to tell the arm by an amendment hides with the consent to it, not only when somebody brings it over."""

from django.db import migrations, models

HIDES = r"""
-- What the version that a participant is bound to tells of the arm: whole events, and forms wherever they are asked.
CREATE FUNCTION edc_telling(who bigint, kind text) RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(told ->> 'code'), '{}')
      FROM participants_participant p JOIN protocol_protocolversion d ON d.id = p.protocol_version_id,
           jsonb_array_elements(d.document -> kind) AS told
     WHERE p.id = who AND (told ->> 'reveals_arm')::boolean
$$;

CREATE OR REPLACE FUNCTION edc_only_hides() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reveals_arm AND (NEW.event = ANY (edc_telling(NEW.participant_id, 'visits'))
                            OR NEW.form = ANY (edc_telling(NEW.participant_id, 'forms'))) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a record comes to tell the arm with another version of the protocol, and goes on telling it'
        USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER casebook_record_only_hides ON casebook_record;
CREATE TRIGGER casebook_record_only_hides BEFORE UPDATE OF reveals_arm ON casebook_record
    FOR EACH ROW WHEN (OLD.reveals_arm IS DISTINCT FROM NEW.reveals_arm) EXECUTE FUNCTION edc_only_hides();

-- As before, but: of what signatures cover, only records have their key among the keys of records.
CREATE OR REPLACE FUNCTION edc_hide_along() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    named text;
BEGIN
    PERFORM set_config('edc.hiding', NEW.id::text, true);
    FOR named IN
        SELECT c.table_name FROM information_schema.columns c
          JOIN information_schema.columns r USING (table_schema, table_name)
          JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = 'public' AND c.column_name = 'reveals_arm' AND r.column_name = 'record_id'
           AND t.table_type = 'BASE TABLE' AND c.table_name <> 'staff_signedversion'
         ORDER BY c.table_name
    LOOP
        EXECUTE format('UPDATE %I SET reveals_arm = true WHERE record_id = $1 AND NOT reveals_arm', named) USING NEW.id;
    END LOOP;
    UPDATE staff_signedversion SET reveals_arm = true WHERE kind = 'record' AND record_id = NEW.id AND NOT reveals_arm;
    UPDATE casebook_querymessage SET reveals_arm = true
     WHERE NOT reveals_arm AND query_id IN (SELECT id FROM casebook_query WHERE record_id = NEW.id);
    UPDATE attachments_attachmentcontent SET reveals_arm = true
     WHERE NOT reveals_arm AND attachment_id IN (SELECT id FROM attachments_attachment WHERE record_id = NEW.id);
    PERFORM set_config('edc.hiding', '', true);
    RETURN NULL;
END $$;

-- Everything of a participant that the version now tells of: records (which hide what hangs on them), visits with their
-- appointments and former windows, locks over an event, and scores of no one record.
CREATE FUNCTION edc_hide_told(who bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    events text[] := edc_telling(who, 'visits');
    forms text[] := edc_telling(who, 'forms');
BEGIN
    UPDATE casebook_record SET reveals_arm = true
     WHERE participant_id = who AND NOT reveals_arm AND (event = ANY (events) OR form = ANY (forms));
    PERFORM set_config('edc.hiding', who::text, true);
    UPDATE visits_visit SET reveals_arm = true WHERE participant_id = who AND NOT reveals_arm AND code = ANY (events);
    UPDATE visits_appointment a SET reveals_arm = true FROM visits_visit v
     WHERE v.participant_id = who AND v.id = a.visit_id AND v.reveals_arm AND NOT a.reveals_arm;
    UPDATE visits_formerwindow w SET reveals_arm = true FROM visits_visit v
     WHERE v.participant_id = who AND v.id = w.visit_id AND v.reveals_arm AND NOT w.reveals_arm;
    UPDATE casebook_lock SET reveals_arm = true WHERE participant_id = who AND NOT reveals_arm AND event = ANY (events);
    UPDATE casebook_score SET reveals_arm = true
     WHERE participant_id = who AND NOT reveals_arm AND record_id IS NULL AND event = ANY (events);
    PERFORM set_config('edc.hiding', '', true);
END $$;

CREATE FUNCTION edc_bound_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM edc_hide_told(NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER participants_participant_hides AFTER UPDATE OF protocol_version_id ON participants_participant
    FOR EACH ROW WHEN (OLD.protocol_version_id <> NEW.protocol_version_id) EXECUTE FUNCTION edc_bound_anew();

-- As before, and: a line about data is read by who may not see arms only while that row itself may be read: what
-- has come to tell the arm since takes its earlier lines along. The policies of those tables decide.
DROP POLICY audit_event_reader ON audit_event;
CREATE POLICY audit_event_reader ON audit_event FOR SELECT USING (
    CASE WHEN site_id IS NULL THEN (SELECT edc_everywhere('audit.view') AND edc_everywhere('arm.see'))
         ELSE site_id = ANY ((SELECT edc_sites('audit.view'))::bigint[])
              AND (site_id = ANY ((SELECT edc_sites('arm.see'))::bigint[])
                   OR NOT reveals_arm AND action IN ('insert', 'update', 'delete')
                      AND CASE table_name
                          WHEN 'casebook_record' THEN EXISTS (
                              SELECT FROM casebook_record r WHERE r.id = row_key::bigint AND NOT r.reveals_arm)
                          WHEN 'casebook_query' THEN EXISTS (
                              SELECT FROM casebook_query r WHERE r.id = row_key::bigint AND NOT r.reveals_arm)
                          WHEN 'casebook_querymessage' THEN EXISTS (
                              SELECT FROM casebook_querymessage r WHERE r.id = row_key::bigint AND NOT r.reveals_arm)
                          WHEN 'casebook_verification' THEN EXISTS (
                              SELECT FROM casebook_verification r WHERE r.id = row_key::bigint AND NOT r.reveals_arm)
                          WHEN 'visits_visit' THEN EXISTS (
                              SELECT FROM visits_visit r WHERE r.id = row_key::bigint AND NOT r.reveals_arm)
                          WHEN 'visits_appointment' THEN EXISTS (
                              SELECT FROM visits_appointment r WHERE r.id = row_key::bigint AND NOT r.reveals_arm)
                          ELSE false END)
    END);
"""

# Participants bound to a telling version before this, and signatures over casebooks of those who moved before 0009.
HEAL = """
SELECT set_config('edc.actor', id::text, true), set_config('edc.application', 'command', true),
       set_config('edc.reason', 'hidden and moved as the rules of this version ask', true)
  FROM staff_user WHERE username = 'system.installer';
SELECT edc_hide_told(id) FROM participants_participant;
SELECT set_config('edc.transfer', 'earlier', true);
UPDATE staff_signature s SET site_id = p.site_id
  FROM casebook_casebooksignature c JOIN participants_participant p ON p.id = c.participant_id
 WHERE s.id = c.signature_id AND s.site_id <> p.site_id;
UPDATE staff_signedversion v SET site_id = s.site_id
  FROM casebook_casebooksignature c JOIN staff_signature s ON s.id = c.signature_id
 WHERE v.signature_id = s.id AND v.site_id <> s.site_id;
SELECT set_config('edc.transfer', '', true), set_config('edc.actor', '', true), set_config('edc.reason', '', true);
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("casebook", "0011_signatures_fall_with_more"),
        ("visits", "0004_scattered_more"),
        ("attachments", "0001_attachments"),
        ("participants", "0004_screening"),
        ("staff", "0006_roles_apart"),
    ]

    operations = [
        migrations.RunSQL(HIDES, migrations.RunSQL.noop),
        migrations.RunSQL(HEAL, migrations.RunSQL.noop),
        migrations.AddIndex("query", models.Index(fields=["-created_at", "-id"], name="query_newest")),
        migrations.AddIndex("lock", models.Index(fields=["-created_at", "-id"], name="lock_newest")),
    ]
