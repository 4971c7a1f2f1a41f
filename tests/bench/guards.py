"""What the guards cost: the trail's trigger for each row, the row policy for each list, each beside none."""

import psycopg

from tests.bench.timing import Stage, report, timed

ROWS = 500
_COPY = "CREATE TABLE bench_bare AS TABLE visits_visit"
_LIST = "SELECT id, code, state, opens_on, closes_on FROM {table} WHERE site_id = %s ORDER BY id LIMIT 50"


def measure(stage: Stage) -> None:
    """500 rows changed with and without the trigger; a list of 50 with and without the policy."""
    owner_url = stage.cluster.url("edc_owner", stage.name)
    actor = str(stage.coordinator.pk)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(_COPY)
        owner.execute("ALTER TABLE bench_bare ADD PRIMARY KEY (id)")
        ids = [
            number for (number,) in owner.execute("SELECT id FROM visits_visit LIMIT %s", [ROWS]).fetchall()
        ]

        def change(table: str) -> None:
            with owner.transaction(force_rollback=True):
                owner.execute("SELECT set_config('edc.actor', %s, true)", [actor])
                owner.execute(
                    f"UPDATE {table} SET plan_version = plan_version + 1 WHERE id = ANY (%s)", [ids]
                )

        bare = [timed(lambda: change("bench_bare")) for _ in range(20)]
        with owner.transaction():
            owner.execute("ALTER TABLE visits_visit DISABLE TRIGGER USER")
        alone = [timed(lambda: change("visits_visit")) for _ in range(20)]
        with owner.transaction():
            owner.execute("ALTER TABLE visits_visit ENABLE TRIGGER USER")
        trailed = [timed(lambda: change("visits_visit")) for _ in range(20)]
        count = len(ids)
        report(f"{count} rows changed, all triggers", trailed, alone)
        micro = 1000 * (sum(trailed) / len(trailed) - sum(alone) / len(alone)) / count
        print(f"{'  trail and freeze, each row':<34}{micro:9.1f} µs")
        report(f"{count} rows changed, no trigger", alone, bare)
    with psycopg.connect(stage.cluster.url("edc_app", stage.name), autocommit=True) as app:
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("GRANT SELECT ON bench_bare TO edc_app")

        def look(table: str) -> None:
            with app.transaction():
                app.execute("SELECT set_config('edc.actor', %s, true)", [actor])
                assert app.execute(_LIST.format(table=table), [stage.site.pk]).fetchall()

        report(
            "list of 50, row policy",
            [timed(lambda: look("visits_visit")) for _ in range(100)],
            [timed(lambda: look("bench_bare")) for _ in range(100)],
        )
