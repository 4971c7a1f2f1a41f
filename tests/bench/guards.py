"""What the guards cost: the trail's trigger for each row, the row policy for each list, each beside none."""

import psycopg

from tests.bench.timing import Stage, report, timed

ROWS = 300
# The same rows in a bare table, and in one that only the trail's trigger stands over.
_COPIES = """
CREATE TABLE bench_bare AS SELECT * FROM visits_visit;
ALTER TABLE bench_bare ADD PRIMARY KEY (id);
CREATE INDEX ON bench_bare (site_id, id);
CREATE TABLE bench_trailed AS SELECT * FROM visits_visit;
ALTER TABLE bench_trailed ADD PRIMARY KEY (id);
CREATE TRIGGER bench_trailed_trail AFTER INSERT OR UPDATE OR DELETE ON bench_trailed
    FOR EACH ROW EXECUTE FUNCTION edc_trail('id');
CREATE TABLE bench_scoped (LIKE bench_bare INCLUDING INDEXES);
INSERT INTO bench_scoped SELECT * FROM bench_bare;
ALTER TABLE bench_scoped ENABLE ROW LEVEL SECURITY;
CREATE POLICY bench_scoped_read ON bench_scoped FOR SELECT
    USING (site_id = ANY ((SELECT edc_sites('participant.view'))::bigint[]));
GRANT SELECT ON bench_bare, bench_scoped TO edc_app;
"""
_LIST = "SELECT id, code, state, opens_on, closes_on FROM {table} WHERE site_id = %s ORDER BY id LIMIT 50"


def measure(stage: Stage) -> None:
    """Rows changed with and without the trail; a list of 50 with and without the policy."""
    actor = str(stage.coordinator.pk)
    with psycopg.connect(stage.cluster.url("edc_owner", stage.name), autocommit=True) as owner:
        owner.execute(_COPIES)
        ids = [number for (number,) in owner.execute("SELECT id FROM bench_bare LIMIT %s", [ROWS]).fetchall()]

        def change(table: str) -> None:
            with owner.transaction(force_rollback=True):
                owner.execute("SELECT set_config('edc.actor', %s, true)", [actor])
                owner.execute(
                    f"UPDATE {table} SET plan_version = plan_version + 1 WHERE id = ANY (%s)", [ids]
                )

        bare = [timed(lambda: change("bench_bare")) for _ in range(30)]
        trailed = [timed(lambda: change("bench_trailed")) for _ in range(30)]
    report(f"{len(ids)} rows changed, trailed", trailed, bare)
    each = 1000 * (min(trailed) - min(bare)) / len(ids)
    print(f"{'  the trail, each row':<34}{each:9.1f} µs (of the fastest runs)")
    with psycopg.connect(stage.cluster.url("edc_app", stage.name), autocommit=True) as app:

        def look(table: str) -> None:
            with app.transaction():
                app.execute("SELECT set_config('edc.actor', %s, true)", [actor])
                assert app.execute(_LIST.format(table=table), [stage.site.pk]).fetchall()

        for table in ("bench_scoped", "bench_bare"):
            look(table)
        report(
            "list of 50, row policy",
            [timed(lambda: look("bench_scoped")) for _ in range(100)],
            [timed(lambda: look("bench_bare")) for _ in range(100)],
        )
