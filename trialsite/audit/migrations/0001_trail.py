"""The audit table, its trigger functions and the grants that keep it append-only."""

from django.db import migrations, models


FUNCTIONS = """
CREATE FUNCTION edc_actor() RETURNS bigint LANGUAGE sql STABLE
AS $$ SELECT nullif(current_setting('edc.actor', true), '')::bigint $$;

-- One row of trail per changed row. Runs as its owner, so that the serving role needs no right on the trail.
-- Arguments: the key column, then the columns whose content is never copied (trailed as "changed").
CREATE FUNCTION edc_trail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    actor bigint := edc_actor();
    before jsonb := '{}';
    after jsonb := '{}';
    row_now jsonb;
    secrets text[] := TG_ARGV[1:];
    difference jsonb;
BEGIN
    IF actor IS NULL THEN
        RAISE EXCEPTION 'no actor is bound: % on % refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF TG_OP <> 'INSERT' THEN before := to_jsonb(OLD); END IF;
    IF TG_OP <> 'DELETE' THEN after := to_jsonb(NEW); END IF;
    row_now := CASE WHEN TG_OP = 'DELETE' THEN before ELSE after END;
    SELECT jsonb_object_agg(
               name,
               CASE WHEN name = ANY (secrets) THEN '"changed"'::jsonb
                    WHEN TG_OP = 'INSERT' THEN jsonb_build_array(NULL, after -> name)
                    WHEN TG_OP = 'DELETE' THEN jsonb_build_array(before -> name, NULL)
                    ELSE jsonb_build_array(before -> name, after -> name) END)
      INTO difference
      FROM jsonb_object_keys(row_now) AS name
     WHERE TG_OP <> 'UPDATE' OR before -> name IS DISTINCT FROM after -> name;
    IF difference IS NULL THEN RETURN NULL; END IF;
    INSERT INTO audit_event (at, xid, actor_id, roles, action, table_name, row_key, site_id, participant_id,
                             reveals_arm, changes, reason, application, request, address, session)
    VALUES (clock_timestamp(), pg_current_xact_id()::text::bigint, actor, edc_roles_of(actor),
            lower(TG_OP), TG_TABLE_NAME, row_now ->> TG_ARGV[0],
            CASE WHEN TG_TABLE_NAME = 'sites_site' THEN (row_now ->> 'id')::bigint
                 ELSE (row_now ->> 'site_id')::bigint END,
            CASE WHEN TG_TABLE_NAME = 'participants_participant' THEN (row_now ->> 'id')::bigint
                 ELSE (row_now ->> 'participant_id')::bigint END,
            coalesce((row_now ->> 'reveals_arm')::boolean, false),
            difference,
            coalesce(current_setting('edc.reason', true), ''),
            coalesce(current_setting('edc.application', true), ''),
            coalesce(current_setting('edc.request', true), ''),
            coalesce(current_setting('edc.address', true), ''),
            coalesce(current_setting('edc.session', true), ''));
    RETURN NULL;
END $$;

CREATE FUNCTION edc_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of % is refused', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- Refuses DELETE, and UPDATE of any column that is not an argument.
CREATE FUNCTION edc_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION '% keeps every row', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    FOR name IN SELECT jsonb_object_keys(to_jsonb(NEW)) LOOP
        -- Without arguments TG_ARGV is null, and so would be the comparison.
        IF NOT coalesce(name = ANY (TG_ARGV), false) AND to_jsonb(OLD) -> name IS DISTINCT FROM to_jsonb(NEW) -> name THEN
            RAISE EXCEPTION '%.% cannot change once written', TG_TABLE_NAME, name
                USING ERRCODE = 'restrict_violation';
        END IF;
    END LOOP;
    RETURN NEW;
END $$;

REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON audit_event FROM edc_app;
CREATE TRIGGER audit_event_frozen BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION edc_frozen();
CREATE TRIGGER audit_event_no_truncate BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION edc_no_truncate();
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(verbose_name="time")),
                ("xid", models.BigIntegerField()),
                ("actor_id", models.BigIntegerField(db_index=True, verbose_name="person")),
                ("roles", models.TextField(blank=True, verbose_name="roles at the time")),
                ("action", models.TextField(verbose_name="action")),
                ("table_name", models.TextField(verbose_name="table")),
                ("row_key", models.TextField(verbose_name="row")),
                ("site_id", models.BigIntegerField(null=True)),
                ("participant_id", models.BigIntegerField(null=True)),
                ("reveals_arm", models.BooleanField()),
                ("changes", models.JSONField(verbose_name="changes")),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
                ("application", models.TextField(blank=True, verbose_name="program")),
                ("request", models.TextField(blank=True)),
                ("address", models.TextField(blank=True)),
                ("session", models.TextField(blank=True)),
            ],
            options={
                "db_table": "audit_event",
                "ordering": ["-id"],
                "verbose_name": "audit event",
                "verbose_name_plural": "audit events",
                "indexes": [
                    models.Index(fields=["participant_id", "id"], name="audit_by_participant"),
                    models.Index(fields=["table_name", "row_key"], name="audit_by_row"),
                ],
            },
        ),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
    ]
