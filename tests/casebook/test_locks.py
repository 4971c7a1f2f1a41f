"""How far freezes and locks reach: a lock takes the place of a freeze; visits, consents and files stand under both."""

import datetime as dt
import threading

import psycopg
import pytest
from django.db import connection
from django.test import Client

from tests.attachments.files import plain_pdf
from tests.path import walk
from trialsite.attachments.services import attach, withdraw
from trialsite.audit.context import acting
from trialsite.casebook import reviewing
from trialsite.casebook.errors import Locked, LockStands, NotClean
from trialsite.casebook.models import Lock
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.enrollment import corrections, services
from trialsite.participants.models import Consent
from trialsite.participants.services import transfer
from visits.models import Visit
from visits.services import attend, book, correct, miss, unscheduled

TODAY = clock.today("Asia/Shanghai")
PAIN = {"paindat": TODAY.isoformat(), "worst": 6, "average": 4}


@pytest.fixture
def operated(data, coordinator, investigator, site_a):
    return walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)


@pytest.fixture
def manager(person):
    return person("data_manager")


@pytest.fixture
def lock(operated, manager):
    """Places a freeze or lock over the participant, or as asked."""

    def lock(kind="lock", level="participant", **where):
        where = where or ({"participant": operated} if level == "participant" else {})
        return reviewing.place_lock(actor=manager, kind=kind, level=level, reason="final", **where)

    return lock


def standing(actor):
    with acting(actor):
        return [(one.kind, one.lift_reason) for one in Lock.objects.order_by("created_at")]


def visit(actor, code):
    with acting(actor):
        return Visit.objects.select_related("participant__protocol_version", "site").get(code=code)


def test_a_lock_takes_the_place_of_a_freeze_and_is_not_thawed_again(operated, lock, manager):
    lock("freeze")
    placed = lock("lock")
    assert placed.kind == "lock"
    assert standing(manager) == [("freeze", "replaced by a lock"), ("lock", "")]
    assert lock("lock") == placed
    with pytest.raises(LockStands):
        lock("freeze")
    client = Client()
    client.force_login(manager)
    body = {"participant": operated.code, "level": "participant", "kind": "freeze", "reason": "x"}
    answer = client.post("/api/v1/locks/", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "lock_stands")


def test_what_is_frozen_is_locked_only_when_it_is_clean(operated, coordinator, lock, manager):
    save_record(actor=coordinator, participant=operated, event="W1", form="pain", values=PAIN, complete=False)
    lock("freeze", "database")
    client = Client(headers={"accept-language": "en"})
    client.force_login(manager)
    page = client.get("/admin/database-lock/").content.decode()
    assert "The database is frozen." in page
    assert 'name="kind"' in page, "the lock can be placed over the freeze"
    with pytest.raises(NotClean):
        lock("lock", "database")
    assert standing(manager) == [("freeze", "")], "refused, the freeze stands"


def test_a_reason_too_long_is_refused_and_not_cut(operated, manager):
    for reason in ("x" * 301, "a\x00b"):
        with pytest.raises(Invalid) as refused:
            reviewing.place_lock(
                actor=manager, kind="freeze", level="participant", participant=operated, reason=reason
            )
        assert list(refused.value.fields) == ["reason"]
    assert standing(manager) == []


def test_two_who_freeze_everything_at_once_place_one_freeze(committed, operated, person):
    found = []

    def freeze(actor):
        try:
            placed = reviewing.place_lock(actor=actor, kind="freeze", level="database", reason="cleaning")
            found.append(placed.pk)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=freeze, args=[person("data_manager", username=f"manager{number}")])
        for number in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert len(set(found)) == 1


def _attend(actor, operated):
    attend(actor=actor, visit=visit(actor, "W1"), on=TODAY, reason="early")


def _miss(actor, operated):
    with clock.pretend(clock.now() + dt.timedelta(days=9)):
        miss(actor=actor, visit=visit(actor, "W1"), reason="ill")


def _unscheduled(actor, operated):
    unscheduled(actor=actor, participant=operated, on=TODAY, reason="pain")


def _correct(actor, operated):
    correct(actor=actor, visit=visit(actor, "UNS"), on=TODAY - dt.timedelta(days=1), reason="misread")


def _consent(actor, operated):
    at = clock.now() - dt.timedelta(days=9)
    corrections.correct_consent(
        actor=actor,
        participant=operated,
        form_version="1.0",
        patient_signed_at=at,
        family_signed_at=at,
        expected_version=1,
        reason="misread",
    )


def _attach(actor, operated):
    with acting(actor):
        consent = Consent.objects.get(participant=operated)
    attach(actor=actor, to=consent, title="scan", content=plain_pdf("another"))


def _withdraw_file(actor, operated):
    with acting(actor):
        [file] = operated.attachments.all()
    withdraw(actor=actor, attachment=file, reason="of somebody else")


def _randomize(actor, operated):
    services.randomize(actor=actor, participant=operated, idempotency_key="under-a-lock")


def _forgo(actor, operated):
    corrections.forgo_randomization(actor=actor, participant=operated, reason="too late")


def _die(actor, operated):
    services.record_death(
        actor=actor, participant=operated, values={"dthdat": TODAY.isoformat(), "dthcause": "progression"}
    )


STEPS = (
    _attend,
    _miss,
    _unscheduled,
    _correct,
    _consent,
    _attach,
    _withdraw_file,
    _randomize,
    _forgo,
    _die,
)


@pytest.mark.parametrize("level", ["participant", "database"])
def test_nothing_that_is_told_of_a_participant_changes_under_a_lock(level, operated, coordinator, lock):
    unscheduled(actor=coordinator, participant=operated, on=TODAY, reason="pain")
    with acting(coordinator):
        consent = Consent.objects.get(participant=operated)
    attach(actor=coordinator, to=consent, title="scan", content=plain_pdf("scan"))
    lock("freeze", level)
    for step in STEPS:
        with pytest.raises(Locked, match="must be lifted first"):
            step(coordinator, operated)


def test_nobody_is_registered_while_everything_is_frozen(
    committed, operated, coordinator, investigator, manager, lock, raw, site_a
):
    """The tables are being counted: nobody comes who would stand in them the next morning."""
    failed = walk(
        "consented", site=site_a, coordinator=coordinator, investigator=investigator, pain={"worst": 3}
    )
    services.fail_screening(actor=coordinator, participant=failed, reason="criteria", note="Pain 3.")
    here = {"actor": coordinator, "site": site_a}
    before = services.register(**here, registration_key="asked-before-it")
    placed = lock("freeze", "database")
    with pytest.raises(Locked, match="must be lifted first"):
        services.register(**here, registration_key="asked-under-it")
    with pytest.raises(Locked):
        services.rescreen(actor=coordinator, participant=failed, registration_key="once-more")
    assert services.register(**here, registration_key="asked-before-it") == before
    statement = (
        "INSERT INTO participants_participant (created_at, code, site_id, protocol_version_id, status, attempt,"
        " registration_key, registered_by_id) SELECT now(), '01-999', site_id, protocol_version_id, 'registered', 1,"
        " 'by-hand', registered_by_id FROM participants_participant WHERE id = %s"
    )
    with pytest.raises(psycopg.errors.RestrictViolation, match="nobody is registered"):
        raw(statement, before.pk, actor=coordinator)
    reviewing.lift_lock(actor=manager, lock=placed, reason="counted")
    assert services.register(**here, registration_key="asked-under-it").code != before.code


def test_a_locked_visit_is_neither_attended_nor_missed_and_others_are(operated, coordinator, lock):
    lock("lock", "visit", participant=operated, event="W1")
    with pytest.raises(Locked):
        _attend(coordinator, operated)
    unscheduled(actor=coordinator, participant=operated, on=TODAY, reason="pain")


def test_what_is_planned_goes_on_under_a_lock(operated, coordinator, lock):
    """A booked day is no data; nor is it anybody's reason to lift a lock."""
    lock("freeze")
    planned = visit(coordinator, "W1")
    at = dt.datetime.combine(
        planned.target_on, dt.time(10), tzinfo=clock.local(clock.now(), "Asia/Shanghai").tzinfo
    )
    book(actor=coordinator, visit=planned, at=at)
    assert visit(coordinator, "W1").state == "booked"


def test_a_locked_participant_is_transferred_with_everything(
    operated, coordinator, lock, trial_manager, site_b
):
    unscheduled(actor=coordinator, participant=operated, on=TODAY, reason="pain")
    lock("lock")
    moved = transfer(actor=trial_manager, participant=operated, to=site_b, reason="moved house")
    assert moved.site_id == site_b.pk


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE visits_visit SET state = 'attended', attended_on = current_date, in_window = true WHERE code = 'W1'",
        "UPDATE participants_consent SET patient_signed_at = patient_signed_at - interval '1 day',"
        " version = version + 1",
        "UPDATE attachments_attachment SET withdrawn_at = now(), withdrawn_by_id = added_by_id,"
        " withdrawn_reason = 'x'",
    ],
)
def test_raw_sql_does_not_pass_either(committed, operated, coordinator, lock, raw, statement):
    with acting(coordinator):
        consent = Consent.objects.get(participant=operated)
    attach(actor=coordinator, to=consent, title="scan", content=plain_pdf("scan"))
    lock("lock")
    with pytest.raises(psycopg.errors.RestrictViolation, match="freeze or lock"):
        raw(f"SELECT set_config('edc.reason', 'x', true); {statement}", actor=coordinator)


def test_a_lifted_lock_hinders_nothing(operated, coordinator, lock, manager):
    placed = lock("lock")
    reviewing.lift_lock(actor=manager, lock=placed, reason="late report")
    _attend(coordinator, operated)
    assert save_record(actor=coordinator, participant=operated, event="W1", form="pain", values=PAIN).changed
