"""Pauses, caps, the mark of an error, the alert on other strata, the access log, certificate and proof."""

import datetime as dt
import hashlib
import re
import threading

import psycopg
import pytest
from django.db import connections
from django.test import Client

from randomization.errors import (
    AlreadyMarked,
    BadCap,
    Busy,
    CapReached,
    NotAllocated,
    RandomizationPaused,
    StateNotReachable,
    StrataChanged,
    StrataDiffer,
)
from randomization.exporting import sealed_export
from randomization.models import Allocation, Correction, Stratum
from randomization.services import install_list
from randomization.steering import mark_in_error, set_cap, set_stratum_cap, set_stratum_state, steer
from randomization.verification import verify
from tests.conftest import make_person
from tests.path import walk
from tests.randomization import independent
from tests.randomization.stories import allocated, made_list, randomize
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.audit.notes import note
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid
from trialsite.enrollment import notices, services
from trialsite.outbox.models import Message
from trialsite.outbox.resolvers import Cancel, Send
from trialsite.sites.services import set_limit, set_state
from trialsite.staff.models import User

WHY = {"reason": "accelerator under repair"}


@pytest.fixture
def installed(data, loader):
    return install_list(actor=loader, document=made_list(), total_cap=120)


@pytest.fixture
def here(installed, loader):
    with acting(loader):
        return Stratum.objects.get(key="site=SHGH")


@pytest.mark.django_db
def test_a_stratum_rests_alone_and_closes_for_good(team_a, team_b, here, statistician, trial_manager):
    set_stratum_state(actor=statistician, stratum=here, state="paused", **WHY)
    person = walk("registered", **team_a)
    with pytest.raises(RandomizationPaused):
        allocated_within(team_a, person)
    assert allocated_within(team_b, walk("registered", **team_b)).position == 1
    set_stratum_state(actor=statistician, stratum=here, state="active", **WHY)
    assert allocated_within(team_a, person).position == 2
    with pytest.raises(Forbidden):
        set_stratum_state(actor=trial_manager, stratum=here, state="closed", **WHY)
    set_stratum_state(actor=statistician, stratum=here, state="closed", **WHY)
    with pytest.raises(StateNotReachable):
        set_stratum_state(actor=statistician, stratum=here, state="active", **WHY)


def allocated_within(team, participant):
    """As `allocated`, inside the test's own transaction."""
    from randomization.services import allocate

    actor = team["coordinator"]
    with acting(actor):
        return allocate(
            actor=actor,
            participant=participant,
            site=team["site"],
            strata={"site": team["site"].code},
            eligibility_hash="0" * 64,
            idempotency_key=f"hand-{participant.pk}",
        )


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["trial", "stratum", "hospital"])
def test_a_cap_holds_for_trial_stratum_and_hospital(
    team_a, installed, here, statistician, trial_manager, scope
):
    def cap(number):
        if scope == "trial":
            set_cap(actor=statistician, scheme=installed, cap=number, **WHY)
        elif scope == "stratum":
            set_stratum_cap(actor=statistician, stratum=here, cap=number, **WHY)
        else:
            set_limit(actor=trial_manager, site=team_a["site"], limit=number, **WHY)

    cap(1)
    allocated_within(team_a, walk("registered", **team_a))
    second = walk("registered", **team_a)
    with pytest.raises(CapReached):
        allocated_within(team_a, second)
    cap(None)
    assert allocated_within(team_a, second).position == 2
    if scope != "hospital":
        for number in (1, 121):
            with pytest.raises(BadCap):
                cap(number)


@pytest.mark.django_db
def test_state_and_cap_are_steered_over_rest_by_the_statistician_alone(
    installed, statistician, trial_manager
):
    client = Client()
    client.force_login(statistician)

    def post(**body):
        return client.post("/api/v1/randomization/steering/", body, content_type="application/json")

    assert post(state="paused", cap=60, **WHY).json()["state"] == "paused"
    assert post(stratum="site=SHGH", state="paused", cap=7, **WHY).status_code == 200
    strata = {one["key"]: one for one in client.get("/api/v1/randomization/strata/").json()}
    assert (strata["site=SHGH"]["state"], strata["site=SHGH"]["cap"]) == ("paused", 7)
    assert strata["site=SMU3"]["state"] == "active"
    assert post(stratum="site=NOWHERE", state="paused", **WHY).status_code == 404
    assert post(cap=500, **WHY).json()["fields"]["cap"]
    for nothing in ({}, {"stratum": "site=SHGH"}):
        assert set(post(**nothing, **WHY).json()["fields"]) == {"state", "cap"}
    client.force_login(trial_manager)
    assert post(state="active", **WHY).status_code == 403
    with pytest.raises(Forbidden):
        steer(actor=trial_manager, state="active", **WHY)


@pytest.mark.django_db
def test_a_statistician_of_one_hospital_steers_its_stratum_and_neither_anothers_nor_the_trial(
    installed, site_b, loader
):
    client = Client()
    client.force_login(make_person("statistician", site_b))

    def post(**body):
        return client.post("/api/v1/randomization/steering/", body, content_type="application/json")

    nowhere = post(stratum="site=NOWHERE", state="paused", **WHY)
    elsewhere = post(stratum="site=SHGH", state="paused", cap=7, **WHY)
    assert (elsewhere.status_code, elsewhere.json()) == (nowhere.status_code, nowhere.json())
    assert elsewhere.status_code == 404
    assert post(state="paused", **WHY).status_code == post(cap=60, **WHY).status_code == 403
    assert post(stratum="site=SMU3", state="paused", cap=7, **WHY).status_code == 200
    # The list of all hospitals is not one hospital's to take away.
    assert client.post("/admin/randomization/export/").status_code == 403
    with acting(loader):
        installed.refresh_from_db()
        states = dict(Stratum.objects.values_list("key", "state"))
    assert (installed.state, installed.cap) == ("active", None)
    assert (states["site=SHGH"], states["site=SMU3"]) == ("active", "paused")


@pytest.mark.django_db
def test_whoever_steers_marks_or_caps_says_why(installed, here, team_a, site_a, statistician, trial_manager):
    person, principal = walk("registered", **team_a), make_person("pi", site_a)
    allocated_within(team_a, person)
    doors = (
        lambda: set_cap(actor=statistician, scheme=installed, cap=60, reason=" "),
        lambda: set_stratum_cap(actor=statistician, stratum=here, cap=7, reason=""),
        lambda: set_stratum_state(actor=statistician, stratum=here, state="paused", reason=" "),
        lambda: steer(actor=statistician, state="paused", reason=""),
        lambda: set_limit(actor=trial_manager, site=site_a, limit=5, reason=""),
        lambda: set_state(actor=trial_manager, site=site_a, state="paused", reason=" "),
        lambda: mark_in_error(actor=principal, participant=person, kind="other", reason=" ", truth="so"),
    )
    for door in doors:
        with pytest.raises(Invalid) as refused:
            door()
        assert list(refused.value.fields) == ["reason"]


@pytest.mark.django_db
def test_a_randomization_in_error_is_marked_for_good_and_stands(team_a, here, site_a, loader, trial_manager):
    principal = make_person("pi", site_a)
    person = walk("registered", **team_a)
    said = {"kind": "ineligible", "reason": "INR read wrongly", "truth": "INR 2.1 on the day"}
    with pytest.raises(NotAllocated):
        mark_in_error(actor=principal, participant=person, **said)
    made = allocated_within(team_a, person)
    with pytest.raises(Forbidden):
        mark_in_error(actor=team_a["coordinator"], participant=person, **said)
    first = mark_in_error(actor=principal, participant=person, **said)
    assert mark_in_error(actor=trial_manager, participant=person, **said).pk == first.pk
    with pytest.raises(AlreadyMarked):
        mark_in_error(actor=principal, participant=person, **said | {"truth": "INR 1.9"})
    following = allocated_within(team_a, walk("registered", **team_a))
    assert following.position == made.position + 1
    with acting(loader):
        assert list(Allocation.objects.order_by("position").values_list("index", flat=True)) == [1, 2]
        assert Correction.objects.get().allocation.position == 1
    assert verify(actor=loader) == []


def test_a_mark_cannot_be_changed_removed_or_made_in_another_ones_name(
    committed, team_a, installed, raw, site_a
):
    person = walk("registered", **team_a)
    allocated(team_a, person)
    principal = make_person("pi", site_a)
    mark_in_error(actor=principal, participant=person, kind="other", reason="why", truth="so")
    for sql in (
        "UPDATE randomization_correction SET truth = 'x' RETURNING id",
        "DELETE FROM randomization_correction RETURNING id",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            raw(sql, actor=principal)
    assessor = make_person("assessor", site_a)
    assert raw("SELECT count(*) FROM randomization_correction", actor=assessor) == [(0,)]


def test_the_same_participant_with_other_strata_is_refused_and_the_alert_stays(
    committed, team_a, team_b, installed, trial_manager, loader
):
    person, principal = walk("operated", **team_a), make_person("pi", team_a["site"])
    make_person("pi", team_b["site"])
    asked = {"actor": team_a["coordinator"], "participant": person, "idempotency_key": "strata-alert"}
    with pytest.raises(StrataDiffer):
        services.randomize(**asked, strata={"site": "SMU3"})
    made = services.randomize(**asked, strata={"site": "SHGH"})
    for _ in range(2):
        with pytest.raises(StrataChanged):
            services.randomize(**asked, strata={"site": "SMU3"})
    assert services.randomize(**asked) == services.randomize(**asked, strata={"site": "SHGH"})
    assert services.randomize(**asked).ledger_head == made.ledger_head
    with acting(loader):
        alert, to_principal = Message.objects.filter(kind="other_strata").order_by("recipient")
        if alert.recipient != f"user:{trial_manager.pk}":
            alert, to_principal = to_principal, alert
        assert to_principal.recipient == f"user:{principal.pk}", "of that hospital"
        text = notices.resolve_other_strata(alert, dt.datetime.now(dt.UTC))
    assert isinstance(text, Send)
    assert alert.recipient == f"user:{trial_manager.pk}"
    with acting(trial_manager):
        tried = Event.objects.filter(action="strata_refused")
        assert [one.changes for one in tried] == [{"asked": "site=SMU3"}] * 2, "what was asked for is kept"
    assert person.code in text.subject
    assert made.arm not in text.body
    with acting(loader):
        User.objects.filter(pk=trial_manager.pk).update(is_active=False)
        assert isinstance(notices.resolve_other_strata(alert, dt.datetime.now(dt.UTC)), Cancel)


@pytest.mark.django_db
def test_the_stored_answer_is_kept_after_the_participant_has_moved_on(team_a, installed):
    person = walk("operated", **team_a)
    made = randomize(team_a, person, "kept-for-good")
    services.withdraw(
        actor=team_a["coordinator"],
        participant=person,
        values={"wddat": dt.datetime.now(dt.UTC).date().isoformat(), "level": "visits", "reason": "moved"},
    )
    assert randomize(team_a, person, "kept-for-good").ledger_head == made.ledger_head


def test_a_lock_that_is_not_free_in_time_is_answered_with_when_to_try_again(
    committed, cluster, team_a, installed, monkeypatch
):
    person = walk("operated", **team_a)
    name = connections.settings["default"]["NAME"]
    client = Client()
    client.force_login(team_a["coordinator"])
    with psycopg.connect(cluster.url("postgres", name)) as holder:
        holder.execute("SET LOCAL lock_timeout = '5s'")
        holder.execute("SELECT 1 FROM randomization_scheme FOR UPDATE")
        cluster.admin(f"ALTER ROLE edc_app IN DATABASE {name} SET lock_timeout = '300ms'")
        try:
            connections.close_all()
            found = []

            def ask():
                try:
                    found.append(
                        client.post(
                            f"/api/v1/participants/{person.code}/randomize/",
                            content_type="application/json",
                            headers={"Idempotency-Key": "while-it-is-locked"},
                        )
                    )
                finally:
                    connections.close_all()

            work = threading.Thread(target=ask)
            work.start()
            work.join()
        finally:
            cluster.admin(f"ALTER ROLE edc_app IN DATABASE {name} RESET lock_timeout")
    assert (found[0].status_code, found[0].json()["code"]) == (503, "busy")
    assert int(found[0].headers["Retry-After"]) > 0
    assert Busy.retry_after > 0
    assert randomize(team_a, person, "while-it-is-locked").position == 1


@pytest.mark.django_db
def test_certificate_and_proof_show_the_own_allocation_and_prove_it(
    team_a, installed, assessor, coordinator_b, statistician
):
    person = walk("operated", **team_a)
    made = randomize(team_a, person, "certificate")
    client = Client()
    client.force_login(team_a["coordinator"])
    shown = client.get(f"/api/v1/participants/{person.code}/certificate/").json()
    assert (shown["arm"], shown["position"], shown["ledger_head"]) == (made.arm, 1, made.ledger_head)
    assert set(shown) == {
        "participant",
        "hospital",
        "arm",
        "strata",
        "kind",
        "allocated_at",
        "opened_at",
        "allocated_by",
        "position",
        "ledger_head",
        "randomized_in_error",
    }
    assert client.get(f"/api/v1/participants/{person.code}/proof/").status_code == 403, "not for who recruits"
    page = client.get(f"/admin/participant/{person.code}/certificate/").content.decode()
    client.force_login(statistician)
    proof = client.get(f"/api/v1/participants/{person.code}/proof/").json()
    node = independent.leaf(proof["stratum"], proof["index"], proof["arm"], bytes.fromhex(proof["r"]))
    for side, sibling in proof["path"]:
        pair = (bytes.fromhex(sibling), node) if side == "L" else (node, bytes.fromhex(sibling))
        node = hashlib.sha256(b"\x01" + b"".join(pair)).digest()
    assert node.hex() == proof["root"]
    assert proof["r"] not in page
    client.force_login(team_a["coordinator"])
    for language in ("en", "zh-hans"):
        client.cookies["django_language"] = language
        page = client.get(f"/admin/participant/{person.code}/certificate/").content.decode()
        assert made.ledger_head in page
        assert proof["r"] not in page
    for other, status in ((assessor, 403), (coordinator_b, 404)):
        client.force_login(other)
        assert client.get(f"/api/v1/participants/{person.code}/certificate/").status_code == status
        assert client.get(f"/api/v1/participants/{person.code}/proof/").status_code == 403


@pytest.mark.django_db
def test_the_access_log_names_everyone_who_could_see_and_since_when(
    team_a, installed, statistician, trial_manager
):
    client = Client()
    client.force_login(trial_manager)
    rows = client.get("/api/v1/randomization/access/").json()
    by_person = {row["who"]: row for row in rows}
    assert by_person[statistician.full_name]["what"] == "sequence, ledger, arms"
    assert by_person[team_a["coordinator"].full_name]["what"] == "arms"
    assert by_person[team_a["coordinator"].full_name]["role"] == "coordinator (SHGH)"
    client.get("/api/v1/randomization/ledger/")
    sealed_export(actor=statistician)
    page = client.get("/admin/randomization/access/").content.decode()
    assert statistician.full_name in page
    card = page.split('class="ts-card"')[1].split("<table>")[0]
    for word in (
        "Access to the sequence",
        "NCT06756087",
        f"{clock.local_date(clock.now(), 'Asia/Shanghai')}",
    ):
        assert word in card, "a printed sheet says of what and of when it is"
    acts = page.split("Acts on the list")[1]
    for said in ("access to the sequence: viewed", "allocation: viewed", "allocation: exported"):
        assert said in acts, "that log, ledger or export was read is noted itself"
    client.force_login(statistician)
    theirs = client.get("/admin/randomization/access/").content.decode().split("Acts on the list")[1]
    assert trial_manager.full_name in theirs, "the statistician reads who looked, though no other trail"
    assert client.get("/admin/trail/").status_code == 403
    over_rest = client.get("/api/v1/randomization/access/acts/").json()["results"]
    seen = {(one["who"], one["action"], one["about"]) for one in over_rest}
    assert (trial_manager.full_name, "view", "randomization_access") in seen
    assert (statistician.full_name, "export", "randomization_allocation") in seen


@pytest.mark.django_db
def test_the_access_log_has_pages_and_cuts_nothing(installed, statistician):
    for _ in range(230):
        note(actor=statistician, action="view", about="randomization_access")
    client = Client()
    client.force_login(statistician)
    at: str | None = "/admin/randomization/access/"
    seen = 0
    while at:
        page = client.get(at).content.decode().split("Acts on the list")[1]
        seen += page.count("access to the sequence: viewed")
        older = re.search(r'href="(\?before=[^"]+)"', page)
        at = f"/admin/randomization/access/{older[1]}" if older else None
    assert seen == 230, "each page is drawn before its own view is noted"
    whole = client.get("/admin/randomization/access/?all=1").content.decode()
    assert whole.count("access to the sequence: viewed") > 230, "on one page, to be printed"
    rest, rows = "/api/v1/randomization/access/acts/", 0
    while rest:
        answer = client.get(rest).json()
        rows += sum(one["about"] == "randomization_access" for one in answer["results"])
        rest = answer["next"]
    assert rows > 230


@pytest.mark.django_db
def test_of_the_trail_the_statistician_reads_the_access_log_alone(
    installed, statistician, team_a, coordinator_b
):
    walk("registered", **team_a)
    with acting(statistician):
        tables = set(Event.objects.values_list("table_name", flat=True))
    assert tables
    assert tables <= {"randomization_scheme", "randomization_era", "randomization_access"}
    with acting(team_a["coordinator"]):
        assert not Event.objects.exists()


@pytest.mark.django_db
def test_the_overview_shows_counters_and_hashes_and_no_arm(team_a, here, statistician, installed):
    made = randomize(team_a, walk("operated", **team_a), "overview")
    client = Client()
    client.force_login(statistician)
    page = client.get("/admin/randomization/overview/").content.decode()
    for word in (made.ledger_head, here.root, installed.specification_hash, "site=SMU3"):
        assert word in page
    main = page.split('class="ts"')[1]
    for word in ("RFA", "permuted", "big_stick", "(4, 6)"):
        assert word not in main
    answer = client.post("/admin/randomization/steer/", {"stratum": "site=SHGH", "state": "paused", **WHY})
    assert answer.status_code == 302
    capped = client.post("/admin/randomization/steer/", {"stratum": "site=SHGH", "cap": "7", **WHY})
    assert capped.status_code == 302
    both = {"stratum": "site=SHGH", "cap": "7", "uncapped": "on", **WHY}
    assert client.post("/admin/randomization/steer/", both).status_code == 422
    assert client.post("/admin/randomization/steer/", both | {"cap": ""}).status_code == 302
    with acting(statistician):
        here.refresh_from_db()
    assert here.cap is None, "the cap is taken away"
    refused = client.post("/admin/randomization/steer/", {"stratum": "", "cap": "500", **WHY})
    assert refused.status_code == 422
    with pytest.raises(Invalid):
        steer(actor=statistician, stratum="site=SHGH", cap=900, **WHY)
