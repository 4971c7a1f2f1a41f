"""Seals over finished ranges of the trail, each bound to the one before.

A range is one of transactions, not of ids: ids are given before the commit, so a smaller id may appear later. A
transaction below `pg_snapshot_xmin` has ended; what it wrote is complete. After a restore into another cluster
transactions count anew: an epoch tells the two apart.
"""

from django.db import migrations, models

from trialsite.audit.lines import FIRST, LINE

SEALS = f"""
CREATE TABLE audit_epoch (
    id integer PRIMARY KEY,
    cluster text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO audit_epoch (id, cluster) SELECT 1, system_identifier::text FROM pg_control_system();

CREATE FUNCTION edc_epoch() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$ SELECT max(id) FROM audit_epoch $$;

ALTER TABLE audit_event ADD COLUMN epoch integer NOT NULL DEFAULT edc_epoch();
CREATE INDEX audit_by_transaction ON audit_event (epoch, xid, id);

CREATE TABLE audit_seal (
    id bigint PRIMARY KEY,
    epoch integer NOT NULL,
    from_xid bigint NOT NULL,
    to_xid bigint NOT NULL,
    events integer NOT NULL,
    content text NOT NULL,
    previous text NOT NULL UNIQUE,
    hash text NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL,
    CHECK (from_xid < to_xid AND events > 0)
);

-- Seals whatever has ended since the last seal; returns how many seals were made. A range without events makes none.
CREATE FUNCTION edc_seal() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    last audit_seal;
    era integer;
    present integer := edc_epoch();
    low bigint;
    high bigint;
    made integer := 0;
    found record;
    moment timestamptz;
    stamp text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_seal'));
    SELECT * INTO last FROM audit_seal ORDER BY id DESC LIMIT 1;
    FOR era IN SELECT id FROM audit_epoch WHERE id >= coalesce(last.epoch, 1) ORDER BY id LOOP
        low := CASE WHEN era = last.epoch THEN last.to_xid ELSE 0 END;
        IF era = present THEN
            high := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
        ELSE
            SELECT max(xid) + 1 INTO high FROM audit_event WHERE epoch = era;
        END IF;
        CONTINUE WHEN high IS NULL OR high <= low;
        SELECT count(*) AS events,
               encode(sha256(string_agg(sha256(convert_to({LINE}, 'UTF8')), ''::bytea ORDER BY e.xid, e.id)), 'hex')
                   AS content
          INTO found FROM audit_event e WHERE e.epoch = era AND e.xid >= low AND e.xid < high;
        CONTINUE WHEN found.events = 0;
        moment := clock_timestamp();
        stamp := to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US');
        INSERT INTO audit_seal (id, epoch, from_xid, to_xid, events, content, previous, hash, sealed_at)
        VALUES (coalesce(last.id, 0) + 1, era, low, high, found.events, found.content, coalesce(last.hash, '{FIRST}'),
                encode(sha256(convert_to(concat_ws('|', 'TRIALSITE-SEAL-1', era, low, high, found.events,
                                                   found.content, stamp, coalesce(last.hash, '{FIRST}')), 'UTF8')),
                       'hex'),
                moment)
        RETURNING * INTO last;
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON audit_seal, audit_epoch FROM edc_app;
CREATE TRIGGER audit_seal_frozen BEFORE UPDATE OR DELETE ON audit_seal
    FOR EACH ROW EXECUTE FUNCTION edc_frozen();
CREATE TRIGGER audit_seal_no_truncate BEFORE TRUNCATE ON audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION edc_no_truncate();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_notes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(SEALS, migrations.RunSQL.noop)],
            state_operations=[
                migrations.AddField("event", "epoch", models.IntegerField()),
                migrations.CreateModel(
                    name="Seal",
                    fields=[
                        ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("epoch", models.IntegerField()),
                        ("from_xid", models.BigIntegerField()),
                        ("to_xid", models.BigIntegerField()),
                        ("events", models.IntegerField(verbose_name="events")),
                        ("content", models.TextField(verbose_name="content")),
                        ("previous", models.TextField(unique=True)),
                        ("hash", models.TextField(unique=True, verbose_name="hash")),
                        ("sealed_at", models.DateTimeField(verbose_name="sealed at")),
                    ],
                    options={
                        "db_table": "audit_seal",
                        "ordering": ["-id"],
                        "verbose_name": "seal of the trail",
                        "verbose_name_plural": "seals of the trail",
                    },
                ),
                migrations.AddIndex(
                    "event", models.Index(fields=["epoch", "xid", "id"], name="audit_by_transaction")
                ),
            ],
        )
    ]
