"""Planning reminders: our statement beside the bare one, and how both grow with the visits that exist.

The bare statement writes the same messages: the same visits by the same indexes, the same keys, into a table with the
same unique key and the same trail. What it leaves out is what only we promise: row policies (it runs as the owner), the
look for holders who refuse, vacancies that are passed on, and the opt-out and consent of participants.
"""

import datetime as dt
import statistics
from typing import Any, Final

import psycopg

from tests.bench.timing import Stage, timed

SIZES: Final = (10_000, 1_000_000)
DUE: Final = 1_000
ROUNDS: Final = 5

# Written as the server's superuser, behind the trail's back: settled visits of 2020 and far ones of 2040, and DUE
# visits whose window opened today.
CROWD: Final = """
SET session_replication_role = replica;
DELETE FROM visits_visit;
INSERT INTO visits_visit (created_at, participant_id, site_id, code, kind, anchor_on, target_on, opens_on, closes_on,
                          state, plan_version, bookings, attended_on, reveals_arm)
SELECT now(), p.id, p.site_id, kind || n, 'series', day, day, day, day + 5,
       CASE kind WHEN 'old' THEN 'attended' ELSE 'expected' END, 1, 0, CASE kind WHEN 'old' THEN day END, false
  FROM (SELECT id, site_id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS people
          FROM participants_participant) p,
       (VALUES ('old', date '2020-01-01', %(crowd)s / 2), ('far', date '2040-01-01', %(crowd)s / 2),
               ('due', %(today)s::date, %(due)s)) AS crowd(kind, base, number),
       LATERAL generate_series(p.place, number, p.people) n,
       LATERAL (SELECT CASE kind WHEN 'due' THEN base ELSE base + (n %% 300)::int END) d(day);
ANALYZE visits_visit;
"""
BARE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS bench_outbox (LIKE outbox_message INCLUDING DEFAULTS INCLUDING IDENTITY INCLUDING INDEXES);
CREATE OR REPLACE TRIGGER bench_trail AFTER INSERT OR UPDATE ON bench_outbox
    FOR EACH ROW EXECUTE FUNCTION edc_trail('id');
"""
BARE: Final = """
INSERT INTO bench_outbox (created_at, key, kind, recipient, channel, payload, subject_code, site_id, due_at, state,
                          attempts, answer)
SELECT now(), concat_ws(':', 'visit', v.id, 'coordinator_opening', v.plan_version, 'user:' || m.user_id, 'email'),
       'visit', 'user:' || m.user_id, 'email',
       jsonb_build_object('visit', v.id, 'code', v.code, 'rule', 'coordinator_opening', 'version', v.plan_version),
       p.code, v.site_id, (v.opens_on + time '08:30') AT TIME ZONE s.timezone, 'pending', 0, ''
  FROM visits_visit v
  JOIN participants_participant p ON p.id = v.participant_id AND p.status NOT IN ('dead', 'withdrawn')
  JOIN sites_site s ON s.id = v.site_id
  JOIN staff_membership m ON m.role = 'coordinator' AND m.site_id = v.site_id AND m.ends_at IS NULL
 WHERE v.state = 'expected' AND v.opens_on BETWEEN %(today)s::date - 70 AND %(today)s::date
   AND (v.opens_on + time '08:30') AT TIME ZONE s.timezone <= %(now)s
ON CONFLICT (key) DO NOTHING
"""


def _once(
    stage: Stage, planner: Any, now: dt.datetime, owner: psycopg.Connection[Any]
) -> tuple[float, float]:
    """Milliseconds of one planning of DUE reminders, ours and bare, both rolled back after."""
    from django.db import transaction

    from trialsite.audit.context import acting
    from visits.services import plan_reminders

    new: list[int] = []
    with transaction.atomic(), acting(planner):
        ours = timed(lambda: new.append(plan_reminders(actor=planner, now=now)))
        transaction.set_rollback(True)
    with owner.transaction(force_rollback=True):
        owner.execute("SELECT set_config('edc.actor', %s, true)", [str(planner.pk)])
        bare = timed(lambda: new.append(owner.execute(BARE, {"today": now.date(), "now": now}).rowcount))
    assert new == [DUE, DUE], new
    return ours, bare


def measure(stage: Stage) -> None:
    """1 000 reminders that are due among 10⁴ and among 10⁶ visits; nothing due among 10⁶."""
    from trialsite.staff.models import system_actor
    from visits.services import plan_reminders

    cluster, name = stage.cluster, stage.name
    planner = system_actor("system.reminders")
    now = dt.datetime.combine(dt.date(2030, 5, 6), dt.time(4), dt.UTC)
    medians: dict[int, tuple[float, float]] = {}
    with (
        psycopg.connect(
            cluster.url("postgres", name), autocommit=True, cursor_factory=psycopg.ClientCursor
        ) as superuser,
        psycopg.connect(
            cluster.url("edc_owner", name), autocommit=True, cursor_factory=psycopg.ClientCursor
        ) as owner,
    ):
        owner.execute(BARE_TABLE)
        for size in SIZES:
            superuser.execute(CROWD, {"crowd": size - DUE, "due": DUE, "today": now.date()})
            superuser.execute("VACUUM visits_visit")
            rounds = [_once(stage, planner, now, owner) for _ in range(ROUNDS)]
            ours, bare = (statistics.median(times) for times in zip(*rounds, strict=True))
            medians[size] = ours, bare
            print(
                f"{f'{DUE} reminders of {size:.0e} visits':<34}{ours:9.2f} ms {bare:9.2f} ms bare"
                f" {ours / bare:8.2f}×   (medians of {ROUNDS})"
            )
        plan_reminders(actor=planner, now=now)
        again = statistics.median(
            timed(lambda: plan_reminders(actor=planner, now=now)) for _ in range(ROUNDS)
        )
    small, large = (medians[size] for size in SIZES)
    print(f"{'from 1e+04 to 1e+06 visits':<34}{large[0] / small[0]:9.2f}× {large[1] / small[1]:12.2f}× bare")
    print(f"{'the same again, nothing new':<34}{again:9.2f} ms")
