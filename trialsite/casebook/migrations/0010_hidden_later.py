"""A record that comes under a version in which it tells the arm hides from then on, with all that hangs on it."""

from django.db import migrations

from trialsite.audit.operations import Frozen

HIDES = r"""
DROP TRIGGER casebook_record_frozen ON casebook_record;

CREATE FUNCTION edc_hiding(relation oid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(current_setting('edc.hiding', true), '') <> ''
       AND current_user = pg_get_userbyid((SELECT relowner FROM pg_class WHERE oid = relation))
$$;

-- As in participants 0004, and: below edc_hide_along, which runs as the tables' owner, a row may come to be hidden.
CREATE OR REPLACE FUNCTION edc_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% keeps every row', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    FOR name IN SELECT jsonb_object_keys(to_jsonb(NEW)) LOOP
        -- Without arguments TG_ARGV is null, and so would be the comparison.
        IF NOT coalesce(name = ANY (TG_ARGV), false) AND to_jsonb(OLD) -> name IS DISTINCT FROM to_jsonb(NEW) -> name
           AND NOT (name = 'site_id' AND edc_transferring(TG_RELID))
           AND NOT (name = 'reveals_arm' AND edc_hiding(TG_RELID) AND (to_jsonb(NEW) -> name)::boolean) THEN
            RAISE EXCEPTION '%.% cannot change once written', TG_TABLE_NAME, name
                USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

CREATE FUNCTION edc_only_hides() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a record comes to tell the arm with another version of the protocol, and goes on telling it'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER casebook_record_only_hides BEFORE UPDATE OF reveals_arm ON casebook_record
    FOR EACH ROW WHEN (OLD.reveals_arm IS DISTINCT FROM NEW.reveals_arm
                       AND NOT (NEW.reveals_arm AND OLD.protocol_version_id <> NEW.protocol_version_id))
    EXECUTE FUNCTION edc_only_hides();

-- Queries, verifications, locks, scores and files of the record; then what was said and the bytes.
CREATE FUNCTION edc_hide_along() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
           AND t.table_type = 'BASE TABLE'
         ORDER BY c.table_name
    LOOP
        EXECUTE format('UPDATE %I SET reveals_arm = true WHERE record_id = $1 AND NOT reveals_arm', named) USING NEW.id;
    END LOOP;
    UPDATE casebook_querymessage SET reveals_arm = true
     WHERE NOT reveals_arm AND query_id IN (SELECT id FROM casebook_query WHERE record_id = NEW.id);
    UPDATE attachments_attachmentcontent SET reveals_arm = true
     WHERE NOT reveals_arm AND attachment_id IN (SELECT id FROM attachments_attachment WHERE record_id = NEW.id);
    PERFORM set_config('edc.hiding', '', true);
    RETURN NULL;
END $$;
CREATE TRIGGER casebook_record_hide_along AFTER UPDATE OF reveals_arm ON casebook_record
    FOR EACH ROW WHEN (NEW.reveals_arm AND NOT OLD.reveals_arm) EXECUTE FUNCTION edc_hide_along();
"""


class Migration(migrations.Migration):

    dependencies = [("casebook", "0009_signatures_move")]

    operations = [
        migrations.RunSQL(HIDES, migrations.RunSQL.noop),
        Frozen(
            "casebook_record",
            allow_update=(
                "data",
                "state",
                "version",
                "observed_on",
                "updated_by_id",
                "updated_at",
                "protocol_version_id",
                "reveals_arm",
            ),
        ),
    ]
