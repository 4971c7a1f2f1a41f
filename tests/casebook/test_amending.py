"""An amendment changes a form: records of it are brought over by a person who sees what becomes of each entry."""

import datetime as dt
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.test import Client

from tests.attachments.files import plain_pdf
from tests.participants.amendment import activate_at, amended, amended_again, form_at
from tests.participants.test_consents import consent
from tests.path import walk
from trialsite.attachments.services import attach
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.errors import FormAmended, NotClean, ReasonNeeded, VersionConflict
from trialsite.casebook.models import Query, Record
from trialsite.casebook.querying import raise_query
from trialsite.casebook.reviewing import lift_lock, place_lock, verify, waiting
from trialsite.casebook.services import migrate_record, save_record
from trialsite.core import clock
from trialsite.core.errors import Forbidden
from trialsite.participants.models import Participant
from visits.models import Visit
from visits.services import book

FRESH = {"name": "least", "label": {"en": "Least pain", "zh": "最轻疼痛"}, "type": "integer", "hard": [0, 10]}


def other_questions(document):
    """`now` is asked no more, `worst` only up to 8, and `least` comes new."""
    [form] = [form for form in document["forms"] if form["code"] == "pain"]
    items = form["sections"][0]["items"]
    items[:] = [item for item in items if item["name"] != "now"] + [FRESH]
    [worst] = [item for item in items if item["name"] == "worst"]
    worst["hard"] = [0, 8]
    form["checks"].append(
        {
            "id": "reads_another",
            "item": "average",
            "expression": "performance.ecog > 3",
            "message": {"en": "Bedridden?", "zh": "卧床？"},
        }
    )


def other_words(document):
    [form] = [form for form in document["forms"] if form["code"] == "pain"]
    form["name"] = {"en": "Pain today", "zh": "今日疼痛"}


@pytest.fixture
def bound(committed, sealed, site_a, coordinator, investigator):
    """A participant with a complete pain form of 1.0, bound to 1.1 after `change`; returns (participant, record)."""

    def bind(change, worst=9, before=None):
        person = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
        values = {"paindat": clock.today(site_a.timezone).isoformat(), "worst": worst, "now": 4, "average": 3}
        saved = save_record(actor=coordinator, participant=person, event="BL", form="pain", values=values)
        if before:
            before(saved.record)
        version = amended(change)
        form_at(activate_at(version, site_a), site_a, version)
        consent(coordinator, person, "1.1")
        with acting(coordinator):
            person = Participant.objects.get(pk=person.pk)
            return person, Record.objects.get(participant=person, event="BL", form="pain")

    return bind


def again(actor, record):
    with acting(actor):
        return Record.objects.get(pk=record.pk)


def test_a_form_that_only_changed_its_words_goes_on_and_takes_the_new_version_with_the_next_change(
    bound, coordinator
):
    person, record = bound(other_words)
    values = {"paindat": record.data["paindat"]["value"], "worst": 9, "average": 5}
    save_record(
        actor=coordinator,
        participant=person,
        event="BL",
        form="pain",
        values=values,
        expected_version=record.version,
        reason="read again",
    )
    assert again(coordinator, record).protocol_version_id == person.protocol_version_id


def test_an_old_record_of_other_questions_is_not_edited_before_it_is_brought_over(bound, coordinator):
    person, record = bound(other_questions)
    with pytest.raises(FormAmended, match=r"version 1\.0"):
        save_record(
            actor=coordinator,
            participant=person,
            event="BL",
            form="pain",
            values={"worst": 5},
            expected_version=record.version,
            reason="x",
        )
    assert again(coordinator, record).data == record.data


def test_the_plan_tells_the_fate_of_each_entry_and_bringing_over_does_just_that(bound, coordinator, person):
    who, record = bound(other_questions)
    client = Client()
    client.force_login(coordinator)
    path = f"/api/v1/participants/{who.code}/records/BL/pain/1/migration/"
    plan = client.get(path).json()
    assert (plan["needed"], plan["gone"], plan["asked"]) == (True, ["now"], ["least"])
    assert "8" in plan["refused"]["worst"][0]
    page = client.get(f"/admin/participant/{who.code}/form/BL/pain/1/").content.decode()
    assert "Least pain" in page
    assert "Bring over to the new form" in page
    body = {"expected_version": record.version, "reason": "protocol 1.1"}
    for _ in range(2):
        answer = client.post(path, body, content_type="application/json")
        assert answer.status_code == 200, answer.content
    moved = again(coordinator, record)
    assert moved.version == record.version + 1, "the second time changes nothing"
    assert (moved.state, sorted(moved.data)) == ("draft", ["average", "paindat"])
    assert client.get(path).json()["needed"] is False
    with acting(person("auditor")):
        change = Event.objects.of_row("casebook_record", record.pk).latest("id")
        assert change.changes["data"][0]["worst"]["value"] == "9"
        assert change.reason == "protocol 1.1"


def test_bare_sql_brings_a_record_under_no_version_but_its_participants(bound, coordinator, raw):
    person, record = bound(other_words)
    with acting(coordinator):
        other = amended_again(person.protocol_version)
    statement = "UPDATE casebook_record SET protocol_version_id = %s, updated_at = now() WHERE id = %s"
    with pytest.raises(psycopg.errors.RestrictViolation, match="bound to"):
        raw(statement, other.pk, record.pk, actor=coordinator)


def test_bringing_over_asks_the_version_seen_and_a_reason(bound, coordinator):
    _person, record = bound(other_questions)
    for given, error in (
        ({"expected_version": record.version + 1, "reason": "protocol 1.1"}, VersionConflict),
        ({"expected_version": record.version, "reason": " "}, ReasonNeeded),
    ):
        with pytest.raises(error):
            migrate_record(actor=coordinator, record=record, **given)
    assert again(coordinator, record).version == record.version


def test_another_form_is_saved_while_an_old_record_waits(bound, coordinator):
    """What is computed over other forms leaves the old record alone."""
    person, record = bound(other_questions)
    day = clock.today(person.site.timezone).isoformat()
    save_record(
        actor=coordinator,
        participant=person,
        event="BL",
        form="performance",
        values={"perfdat": day, "ecog": 4, "kps": 50},
    )
    assert again(coordinator, record).data == record.data


def test_on_the_page_a_button_brings_it_over(bound, coordinator):
    person, record = bound(other_questions, worst=7)
    client = Client()
    client.force_login(coordinator)
    path = f"/admin/participant/{person.code}/form/BL/pain/1/"
    refused = client.post(path + "amend/", {"version": record.version}, follow=True)
    assert "reason" in refused.content.decode()
    done = client.post(path + "amend/", {"version": record.version, "reason": "1.1"}, follow=True)
    assert "answer what the new form asks" in done.content.decode()
    assert sorted(again(coordinator, record).data) == ["average", "paindat", "worst"]


def test_what_had_been_complete_changes_with_a_reason_also_while_it_is_a_draft(bound, coordinator, raw):
    """The nurse mends a pain of weeks ago while answering the new question: why, must be said at every door."""
    person, record = bound(other_questions, worst=7)
    migrate_record(actor=coordinator, record=record, expected_version=record.version, reason="protocol 1.1")
    draft = again(coordinator, record)
    values = {"paindat": draft.data["paindat"]["value"], "worst": 2, "average": 2, "least": 0}
    here = {"actor": coordinator, "participant": person, "event": "BL", "form": "pain", "values": values}
    with pytest.raises(ReasonNeeded):
        save_record(**here, expected_version=draft.version, complete=False)
    with pytest.raises(ReasonNeeded):
        save_record(**here, expected_version=draft.version)
    for statement in (
        "UPDATE casebook_record SET data = '{}', version = version + 1 WHERE id = %s",
        "UPDATE casebook_record SET once_complete = false WHERE id = %s",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            raw(statement, draft.pk, actor=coordinator)
    client = Client()
    client.force_login(coordinator)
    path = f"/admin/participant/{person.code}/form/BL/pain/1/"
    assert 'id="id_change_reason"' in client.get(path).content.decode()
    client.post(path + "draft/", {**values, "version": draft.version, "keep": "1"})
    assert again(coordinator, record).data == draft.data, (
        "nothing is kept on the way, where no reason is given"
    )
    saved = save_record(**here, expected_version=draft.version, reason="misread")
    assert (saved.record.state, saved.record.data["worst"]["value"]) == ("complete", "2")


def test_a_draft_that_had_been_complete_is_waited_for_even_if_nothing_is_left_of_it(
    bound, coordinator, investigator
):
    person, record = bound(other_questions)
    migrate_record(actor=coordinator, record=record, expected_version=record.version, reason="protocol 1.1")
    draft = again(coordinator, record)
    save_record(
        actor=coordinator,
        participant=person,
        event="BL",
        form="pain",
        values={},
        expected_version=draft.version,
        reason="of somebody else",
        complete=False,
    )
    with acting(investigator):
        assert [one.pk for one, _query in waiting(person)] == [record.pk]


TELLING = [
    "casebook_record",
    "casebook_query",
    "casebook_querymessage",
    "casebook_verification",
    "casebook_lock",
    "attachments_attachment",
    "attachments_attachmentcontent",
    "visits_visit",
    "visits_appointment",
]


def telling(document):
    """Nothing changes but that whoever sees the baseline knows the arm."""
    [visit] = [one for one in document["visits"] if one["code"] == "BL"]
    visit["reveals_arm"] = True


def telling_and_asking(document):
    other_questions(document)
    telling(document)


@pytest.mark.parametrize(("change", "late"), [(telling, False), (telling_and_asking, False), (telling, True)])
def test_what_tells_the_arm_under_the_new_version_hides_with_the_consent_to_it(
    bound, coordinator, assessor, person, raw, cluster, committed, change, late
):
    """Nobody has to bring it over first; the trail's earlier lines and an open visit hide too, and so they stay."""
    monitor, manager = person("monitor"), person("data_manager")
    known: dict[str, Any] = {}

    def hang(record):
        raise_query(actor=monitor, record=record, item="worst", text="The chart says 8.")
        verify(actor=monitor, record=record, items=["average"])
        attach(actor=coordinator, to=record, title="Diary", content=plain_pdf())
        lock = place_lock(actor=manager, kind="freeze", level="form", record=record, reason="clean")
        lift_lock(actor=manager, lock=lock, reason="done")
        with acting(coordinator):
            today = clock.today(record.site.timezone)
            visit = Visit.objects.create(
                participant_id=record.participant_id,
                site_id=record.site_id,
                code="BL",
                kind="milestone",
                anchor="surgery",
                **dict.fromkeys(("anchor_on", "target_on", "opens_on", "closes_on"), today),
            )
        book(actor=coordinator, visit=visit, at=clock.now() + dt.timedelta(days=1))
        with pytest.raises(psycopg.errors.RestrictViolation, match="tell the arm"):
            raw("UPDATE casebook_record SET reveals_arm = true WHERE id = %s", record.pk, actor=coordinator)
        known.update(
            {table: shown(table, record, assessor) for table in TELLING}, trail=trail(record, assessor)
        )

    def shown(table, record, actor):
        of = {
            "casebook_record": "id = %s",
            "casebook_querymessage": "query_id IN (SELECT id FROM casebook_query WHERE record_id = %s)",
            "attachments_attachmentcontent": "attachment_id IN"
            " (SELECT id FROM attachments_attachment WHERE record_id = %s)",
            "visits_visit": "code = 'BL' AND %s > 0",
            "visits_appointment": "visit_id IN (SELECT id FROM visits_visit WHERE code = 'BL') AND %s > 0",
        }.get(table, "record_id = %s")
        count = f"SELECT count(*), count(*) FILTER (WHERE NOT reveals_arm) FROM {table} WHERE {of}"
        return raw(count, record.pk, actor=actor)[0]

    def trail(record, actor):
        lines = "SELECT count(*) FROM audit_event WHERE table_name = 'casebook_record' AND row_key = %s"
        return raw(lines, str(record.pk), actor=actor)[0][0]

    with psycopg.connect(cluster.url("edc_owner", committed), autocommit=True) as owner:
        if late:
            owner.execute(
                "ALTER TABLE participants_participant DISABLE TRIGGER participants_participant_hides"
            )
        who, record = bound(change, before=hang)
        if late:
            # Bound before the database hid such records: the migration has done it since.
            assert shown("casebook_record", record, assessor) == (1, 1)
            migration = import_module("trialsite.casebook.migrations.0012_hidden_at_once")
            with owner.transaction():
                owner.execute(migration.HEAL)
    for table in TELLING:
        assert known[table][0] > 0, table
        everything, open_ = shown(table, record, coordinator)
        assert everything > 0 == open_, table
        assert shown(table, record, assessor) == (0, 0), table
    assert known["trail"] > 0 == trail(record, assessor)
    with pytest.raises(Forbidden):
        save_record(
            actor=assessor,
            participant=who,
            event="BL",
            form="pain",
            values={"worst": 5},
            expected_version=record.version,
            reason="x",
        )
    migrate_record(actor=coordinator, record=record, expected_version=record.version, reason="1.1")
    with pytest.raises(psycopg.errors.RestrictViolation):
        raw("UPDATE casebook_record SET reveals_arm = false WHERE id = %s", record.pk, actor=coordinator)
    with pytest.raises(psycopg.errors.RestrictViolation):
        raw(
            "SELECT set_config('edc.hiding', '1', true);"
            " UPDATE casebook_verification SET reveals_arm = NOT reveals_arm",
            actor=coordinator,
        )


def dropped(document):
    """No baseline vitals any more, and no visit W1."""
    document["visits"] = [visit for visit in document["visits"] if visit["code"] != "W1"]
    for visit in document["visits"]:
        visit["forms"] = [form for form in visit["forms"] if form != "vitals"]
        for order in ("must_follow", "should_follow"):
            visit[order] = [code for code in visit.get(order, []) if code != "W1"]


def faint(document):
    """The pain asks about the pressure that was measured at the same visit."""
    [form] = [form for form in document["forms"] if form["code"] == "pain"]
    form["checks"].append(
        {
            "id": "faint",
            "item": "worst",
            "expression": "vitals.sysbp < 100",
            "message": {"en": "So low a pressure?", "zh": "血压如此之低？"},
        }
    )


def test_each_unscheduled_visit_is_questioned_by_what_was_measured_there(bound, coordinator, site_a):
    """Two calls in a week: the low pressure of the first is not asked about at the second, nor the other way round."""
    who, _record = bound(faint)
    today = clock.today(site_a.timezone).isoformat()

    def save(form, number, **values):
        with acting(coordinator):
            record = Record.objects.filter(participant=who, event="UNS", form=form, repeat=number).first()
        save_record(
            actor=coordinator,
            participant=who,
            event="UNS",
            form=form,
            repeat=number,
            values=values,
            expected_version=record.version if record else None,
            reason="measured again" if record else "",
            partial=True,
        )

    def asked():
        with acting(coordinator):
            rows = Query.objects.open().filter(record__event="UNS", check_id="faint")
            return list(rows.values_list("record__repeat", flat=True).order_by("record__repeat"))

    signs = {"vsdat": today, "diabp": 60, "pulse": 70, "temp": "36.6"}
    for number, pressure in ((1, 90), (2, 120)):
        save("vitals", number, sysbp=pressure, **signs)
        save("pain", number, paindat=today, worst=5, average=4)
    assert asked() == [1]
    save("vitals", 1, sysbp=125)
    assert asked() == []
    save("vitals", 2, sysbp=95)
    assert asked() == [2]


def test_what_was_recorded_stays_to_be_read_where_an_amendment_drops_the_form_or_the_visit(
    bound, coordinator, site_a, person
):
    today = clock.today(site_a.timezone).isoformat()

    def before(record):
        vitals = {"vsdat": today, "temp": "36.6"}
        for event, form, values in (
            ("UNS", "vitals", vitals),
            ("W1", "pain", {"paindat": today, "worst": 3, "now": 1, "average": 2}),
        ):
            save_record(
                actor=coordinator,
                participant=record.participant,
                event=event,
                form=form,
                values=values,
                complete=False,
            )

    who, _record = bound(dropped, before=before)
    client = Client()
    client.force_login(coordinator)
    for path in (
        "",
        "casebook/",
        "form/UNS/vitals/",
        "form/UNS/vitals/1/",
        "form/W1/pain/1/",
        "casebook.pdf",
    ):
        answer = client.get(f"/admin/participant/{who.code}/{path}")
        assert answer.status_code == 200, path
    matrix = client.get(f"/admin/participant/{who.code}/casebook/").content.decode()
    assert f"/admin/participant/{who.code}/form/UNS/vitals/" in matrix
    assert f"/admin/participant/{who.code}/form/W1/pain/" in matrix
    page = client.get(f"/admin/participant/{who.code}/form/W1/pain/1/").content.decode()
    assert "does not ask for it here any more" in page
    assert 'name="draft"' not in page
    for address in ("form/W1/pain/1/", "form/W1/pain/1/draft/"):
        assert client.post(f"/admin/participant/{who.code}/{address}", {}).status_code == 404
    pi = Client()
    pi.force_login(person("pi", site_a))
    # A draft that nobody can complete any more keeps nobody from signing; one that is asked for does.
    sign = f"/admin/participant/{who.code}/casebook/sign/"
    assert 'name="password"' in pi.get(sign).content.decode()
    save_record(
        actor=coordinator, participant=who, event="W2", form="pain", values={"worst": 3}, complete=False
    )
    waiting = pi.get(sign).content.decode()
    assert "/form/W2/pain/1/" in waiting
    assert "/form/W1/pain/1/" not in waiting
    manager = person("data_manager")
    with pytest.raises(NotClean, match="1 drafts"):
        place_lock(actor=manager, kind="lock", level="database", reason="final")
