"""The CONSORT boxes add up, whatever became of people; an amendment names what changes and for whom."""

import copy
import datetime as dt
import xml.dom.minidom
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.test import Client
from django.utils.translation import override
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.participants.amendment import activate_at, amended, form_at
from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.console.differences import worded
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import corrections, services
from trialsite.enrollment.amendments import amendment
from trialsite.enrollment.consort import Course, boxes, flow
from trialsite.participants import services as participants
from trialsite.participants.models import Participant
from trialsite.participants.rules import TRANSITIONS
from trialsite.protocol.definition import Definition
from trialsite.protocol.differences import between
from trialsite.protocol.reader import read
from visits import services as visits
from visits.models import Visit

BEFORE = ("registered", "consented", "eligible", "screen_failed", "withdrawn", "dead")
AFTER = ("operated", "completed", "withdrawn", "dead")
ALLOCATED = ("randomized", "completed", "withdrawn", "dead")
DOCUMENT, PROBLEMS = read(Path("protocols/nct06756087"))
TRIAL = Definition.from_document(DOCUMENT)


@st.composite
def courses(draw: Any) -> Course:
    """A participant anywhere on the path."""
    stage = draw(st.sampled_from(["before", "operated", "randomized"]))
    pick = {"before": BEFORE, "operated": AFTER, "randomized": ALLOCATED}[stage]
    return Course(
        person=draw(st.integers(1, 20)),
        attempt=draw(st.integers(1, 4)),
        status=draw(st.sampled_from(pick)),
        reason=draw(st.sampled_from(["criteria", "declined", "other"])),
        consented=draw(st.booleans()),
        operated=stage != "before",
        randomized=stage == "randomized",
        forgone=draw(st.booleans()),
        arm=draw(st.sampled_from(["RFA_PVP", "RFA_PVP_SBRT"])) if stage == "randomized" else None,
        treated=draw(st.booleans()),
        use_withdrawn=draw(st.booleans()),
        lost=draw(st.booleans()),
    )


def adds_up(found: Any) -> bool:
    persons = found.attempts == found.assessed + found.screened_anew
    whole = found.assessed == found.in_screening + found.excluded + found.operated
    before = found.withdrew_before_surgery + found.died_before_surgery
    out = found.excluded == sum(found.excluded_for.values()) + before
    operated = found.operated == found.not_randomized + found.randomized
    after = found.withdrew_after_surgery + found.lost_after_surgery + found.died_after_surgery
    safety = found.followed_for_safety + found.completed_safety
    others = found.not_randomized == found.waiting + safety + after
    arms = not found.arms or sum(arm.allocated for arm in found.arms) == found.randomized
    each = all(
        arm.allocated
        == arm.received + arm.not_received
        == arm.in_follow_up + arm.completed + arm.withdrew + arm.lost + arm.died
        == arm.analysed + arm.not_analysed
        for arm in found.arms
    )
    return persons and whole and out and operated and others and arms and each


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(courses(), max_size=40))
def test_the_boxes_add_up_whatever_became_of_people(people):
    found = boxes(people, TRIAL)
    assert adds_up(found)
    operated = [one for one in people if one.operated]
    others = {one.person for one in people} - {one.person for one in operated}
    assert (found.assessed, found.randomized) == (
        len(operated) + len(others),
        sum(one.randomized for one in operated),
    )


def test_every_status_is_counted():
    assert {*BEFORE, *AFTER, *ALLOCATED} == set(TRANSITIONS)


def test_the_boxes_of_real_people_over_rest_and_as_a_figure_in_both_languages(
    committed, sealed, site_a, coordinator, investigator, assessor
):
    team = {"site": site_a, "coordinator": coordinator, "investigator": investigator}
    failed = walk("consented", pain={"worst": 3}, **team)
    services.fail_screening(actor=coordinator, participant=failed, reason="criteria")
    walk("operated", **team)
    walk("randomized", **team)
    with acting(coordinator):
        found = flow(coordinator)
    assert adds_up(found)
    counted = (found.assessed, found.excluded_for, found.operated, found.waiting, found.randomized)
    assert counted == (3, {"criteria": 1}, 2, 1, 1)
    client = Client()
    client.force_login(coordinator)
    told = client.get("/api/v1/consort/").json()
    assert (told["randomized"], len(told["arms"])) == (1, 2)
    for language, word in (("en", "Analysed"), ("zh-hans", "纳入分析")):
        page = client.get("/admin/", headers={"accept-language": language}).content.decode()
        drawing = page[page.index('<svg class="ts-consort"') :]
        drawing = drawing[: drawing.index("</svg>") + 6]
        xml.dom.minidom.parseString(drawing)  # noqa: S318 -- our own drawing
        assert word in drawing
    client.force_login(assessor)
    blind = client.get("/api/v1/consort/").json()
    assert (blind["randomized"], blind["arms"]) == (1, [])


class Fates:
    """People who go every way there is, by what became of them."""

    def __init__(self, site: Any, coordinator: Any, investigator: Any) -> None:
        self.team = {"site": site, "coordinator": coordinator, "investigator": investigator}
        self.coordinator = coordinator

    def walk(self, status: str, **changes: Any) -> Participant:
        return walk(status, **self.team, **changes)

    def fail(self, participant: Participant, reason: str) -> Participant:
        return services.fail_screening(actor=self.coordinator, participant=participant, reason=reason)

    def fail_and_come_again(self) -> Participant:
        failed = self.fail(self.walk("consented", pain={"worst": 3}), "criteria")
        key = f"again-{failed.code}"
        return services.rescreen(actor=self.coordinator, participant=failed, registration_key=key)

    def withdraw(self, participant: Participant, level: str) -> None:
        values = {"wddat": clock.today("Asia/Shanghai").isoformat(), "level": level}
        services.withdraw(actor=self.coordinator, participant=participant, values=values)

    def die(self, participant: Participant) -> None:
        values = {"dthdat": clock.today("Asia/Shanghai").isoformat()}
        services.record_death(actor=self.coordinator, participant=participant, values=values)

    def lose(self, participant: Participant) -> Participant:
        today = clock.today("Asia/Shanghai").isoformat()
        values = {"eosdat": today, "eosstat": "lost", "lastalive": today}
        save_record(
            actor=self.coordinator, participant=participant, event="EOS", form="end_of_study", values=values
        )
        return participant

    def forgo(self, participant: Participant) -> Participant:
        corrections.forgo_randomization(actor=self.coordinator, participant=participant, reason="went home")
        return participant

    def complete(self, participant: Participant) -> Participant:
        with clock.pretend(clock.now() + dt.timedelta(days=500)):
            with acting(self.coordinator):
                left = list(Visit.objects.open().filter(participant=participant))
            for visit in left:
                visits.miss(
                    actor=self.coordinator, visit=visit, reason="moved away", forgone=visit.code == "RAND"
                )
            return services.complete(actor=self.coordinator, participant=participant)


def test_a_population_that_goes_every_way_is_counted_once_in_each_row_of_boxes(
    committed, sealed, site_a, coordinator, investigator
):
    fates = Fates(site_a, coordinator, investigator)
    for status in ("registered", "consented", "eligible"):
        fates.walk(status)
    fates.fail(fates.walk("registered"), "declined")
    fates.fail_and_come_again()
    fates.fail(fates.fail_and_come_again(), "declined")
    fates.withdraw(fates.walk("consented"), "visits")
    fates.die(fates.walk("eligible"))
    fates.walk("operated")
    fates.forgo(fates.walk("operated"))
    fates.withdraw(fates.walk("operated"), "treatment")
    fates.complete(fates.forgo(fates.walk("operated")))
    fates.withdraw(fates.forgo(fates.walk("operated")), "visits")
    fates.die(fates.walk("operated"))
    fates.walk("randomized")
    fates.complete(fates.walk("randomized"))
    fates.die(fates.complete(fates.walk("randomized")))
    fates.withdraw(fates.walk("randomized"), "visits")
    fates.withdraw(fates.walk("randomized"), "data")
    fates.lose(fates.walk("operated"))
    fates.lose(fates.complete(fates.forgo(fates.walk("operated"))))
    fates.lose(fates.walk("randomized"))
    fates.lose(fates.complete(fates.walk("randomized")))
    fates.die(fates.lose(fates.walk("randomized")))
    fates.withdraw(fates.lose(fates.walk("randomized")), "visits")
    with acting(coordinator):
        found = flow(coordinator)
    assert adds_up(found)
    counted = {name: number for name, number in asdict(found).items() if name != "arms"}
    assert counted == {
        "attempts": 27,
        "screened_anew": 2,
        "assessed": 25,
        "consented": 23,
        "in_screening": 4,
        "excluded": 4,
        "excluded_for": {"declined": 2},
        "withdrew_before_surgery": 1,
        "died_before_surgery": 1,
        "operated": 17,
        "not_randomized": 8,
        "waiting": 1,
        "followed_for_safety": 2,
        "completed_safety": 1,
        "withdrew_after_surgery": 1,
        "lost_after_surgery": 2,
        "died_after_surgery": 1,
        "randomized": 9,
    }
    both = [asdict(one) for one in found.arms]
    names = ("allocated", "in_follow_up", "completed", "withdrew", "lost", "died", "analysed", "not_analysed")
    assert [sum(one[name] for one in both) for name in names] == [9, 1, 1, 3, 2, 2, 8, 1]


def test_whom_the_identity_check_finds_registered_twice_is_one_person_as_long_as_one_is_operated(
    committed, site_a, site_b, coordinator, investigator, coordinator_b, loader
):
    who: dict[str, Any] = {"name": "王静", "birth_date": dt.date(1961, 4, 12), "last_digits": "000X"}

    def register(staff: Any, site: Any, key: str) -> Participant:
        made = services.register(actor=staff, site=site, registration_key=key)
        participants.record_identity(actor=staff, participant=made, **who)
        return made

    def counted(reader: Any) -> tuple[int, int, int]:
        with acting(reader):
            found = flow(reader)
        assert adds_up(found)
        return found.attempts, found.assessed, found.operated

    first, second = (register(coordinator, site_a, f"one-person-{number}") for number in (1, 2))
    register(coordinator_b, site_b, "one-person-there")
    assert (counted(coordinator), counted(coordinator_b)) == ((2, 1, 0), (1, 1, 0))
    # Of two hospitals the trial managers alone hear, so nobody's count tells it.
    assert counted(loader) == (3, 2, 0)
    client = Client()
    client.force_login(coordinator)
    log = client.get("/admin/screening-log/").content.decode()
    assert f"same person as {first.code}" in log and f"same person as {second.code}" in log
    told = client.get("/api/v1/screening-log/").json()
    assert [one["same_person"] for one in told] == [[second.code], [first.code]]
    team = {"site": site_a, "coordinator": coordinator, "investigator": investigator}
    for _ in range(2):
        operated = walk("operated", **team)
        participants.record_identity(actor=coordinator, participant=operated, **who, reason="found")
    assert counted(coordinator) == (4, 2, 2)


def test_an_amendment_names_every_change_and_nothing_else():
    assert between(DOCUMENT, DOCUMENT) == []
    new = copy.deepcopy(DOCUMENT)
    new["trial"]["version"] = "1.1"
    new["trial"]["settings"]["max_affected_vertebrae"]["value"] = 3
    new["criteria"] = [one for one in new["criteria"] if one["id"] != "I6"]
    next(one for one in new["visits"] if one["code"] == "W1")["after"] = 3
    form = next(one for one in new["forms"] if one["code"] == "pain")
    form["sections"][0]["items"].append({**form["sections"][0]["items"][-1], "name": "least"})
    told = [(one.part, one.code, one.kind, one.fields) for one in between(DOCUMENT, new)]
    assert told[0] == ("settings", "max_affected_vertebrae", "changed", ("value",))
    assert told[1][:3] == ("criteria", "I6", "removed") and "rule" in told[1][3]
    assert told[2] == ("visits", "W1", "changed", ("after",))
    assert told[3][:3] == ("items", "pain.least", "added") and "label" in told[3][3]
    assert len(told) == 4
    back = [(one.part, one.code, one.kind) for one in between(new, DOCUMENT)]
    assert ("criteria", "I6", "added") in back and ("items", "pain.least", "removed") in back


def test_an_amendment_tells_each_value_before_and_after():
    new = copy.deepcopy(DOCUMENT)
    labs = next(one for one in new["forms"] if one["code"] == "labs")
    hgb = next(one for section in labs["sections"] for one in section["items"] if one["name"] == "hgb")
    hgb |= {"hard": [30, 250], "label": {"en": "Haemoglobin (venous)", "zh": "血红蛋白（静脉）"}}
    lesion = next(one for one in new["forms"] if one["code"] == "lesion")
    kind = next(one for section in lesion["sections"] for one in section["items"] if one["name"] == "lesion")
    dropped = kind["choices"].pop()
    next(one for one in new["criteria"] if one["id"] == "I6")["rule"] = "performance.ecog <= 1"
    found = {one.code: one for one in between(DOCUMENT, new)}
    assert {change.path: (change.old, change.new) for change in found["labs.hgb"].changes} == {
        "hard": ([20, 250], [30, 250]),
        "label": ({"en": "Haemoglobin", "zh": "血红蛋白"}, hgb["label"]),
    }
    assert [(one.path, one.new) for one in found["lesion.lesion"].changes] == [
        (f"choices.{dropped['code']}.code", None),
        (f"choices.{dropped['code']}.label", None),
    ]
    (rule,) = found["I6"].changes
    assert (rule.path, rule.new) == ("rule", "performance.ecog <= 1")
    with override("zh-hans"):
        (row,) = [one for one in worded(found.values()) if one.code == "labs.hgb"]
    assert (row.part, row.title) == ("项目", "血红蛋白（静脉）")
    assert row.values == [("硬性范围", "20 – 250", "30 – 250"), ("标签", "血红蛋白", "血红蛋白（静脉）")]


def test_a_change_of_order_alone_is_told():
    new = copy.deepcopy(DOCUMENT)
    sex = next(one for one in new["forms"] if one["code"] == "demographics")
    item = next(one for section in sex["sections"] for one in section["items"] if one["name"] == "sex")
    item["choices"].reverse()
    (found,) = between(DOCUMENT, new)
    (change,) = found.changes
    assert (change.path, change.old) == ("choices.order", change.new[::-1])


def test_an_amendment_names_whom_it_concerns_at_the_own_hospital(
    participant_in, site_a, coordinator, investigator, coordinator_b
):
    team = {"site": site_a, "coordinator": coordinator, "investigator": investigator}
    participant = participant_in("consented", **team)

    def change(document: Any) -> None:
        document["trial"]["total_cap"] = 130

    version = amended(change)

    def concerned() -> list[Any]:
        with acting(coordinator):
            return amendment(coordinator, "1.0", "1.1").hospitals

    (here,) = concerned()
    assert (here.site, here.bound, here.owing, here.form) == (site_a, [participant.code], [], None)
    form_at(activate_at(version, site_a), site_a, version, approved_on=clock.today(site_a.timezone))
    (here,) = concerned()
    assert (here.owing, here.form.version) == ([participant.code], "1.1")
    client = Client()
    client.force_login(coordinator)
    page = client.get("/admin/amendment/").content.decode()
    assert participant.code in page and "<td>120</td><td>130</td>" in page
    told = client.get("/api/v1/amendments/1.0/1.1/").json()
    assert told["differences"] == [
        {
            "part": "trial",
            "code": "total_cap",
            "kind": "changed",
            "title": None,
            "changes": [{"path": "total_cap", "old": 120, "new": 130}],
        }
    ]
    assert told["hospitals"] == [
        {"site": "SHGH", "bound": [participant.code], "owing": [participant.code], "form_version": "1.1"}
    ]
    assert client.get("/api/v1/amendments/1.0/9.9/").status_code == 404
    assert client.get("/admin/amendment/?old=9.9").status_code == 404
    client.force_login(coordinator_b)
    assert client.get("/api/v1/amendments/1.0/1.1/").json()["hospitals"] == []


def test_whoever_can_no_longer_be_randomized_waits_for_nothing(
    committed, sealed, site_a, coordinator, investigator
):
    """The days for it are over, or nothing was signed by the surgery: both are followed for safety."""
    team = {"site": site_a, "coordinator": coordinator, "investigator": investigator}
    walk("operated", **team)
    unsigned = walk("eligible", **team)
    with acting(coordinator):
        record = Record.objects.get(participant=unsigned, event="SCR", form="pain")
    with clock.pretend(clock.now() - dt.timedelta(days=3)):
        save_record(
            actor=coordinator,
            participant=unsigned,
            event="SCR",
            form="pain",
            values={"worst": 8},
            expected_version=record.version,
            reason="misread",
            partial=True,
        )
    services.operate(
        actor=coordinator,
        participant=unsigned,
        values=casebook.surgery(clock.today(site_a.timezone) - dt.timedelta(days=3)),
        reason="an emergency",
    )

    def counted() -> tuple[int, int]:
        with acting(coordinator):
            found = flow(coordinator)
        assert adds_up(found)
        return found.waiting, found.followed_for_safety

    assert counted() == (1, 1)
    with clock.pretend(clock.now() + dt.timedelta(days=30)):
        assert counted() == (0, 2)
