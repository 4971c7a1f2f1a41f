"""The data-quality page: the same numbers as each casebook, queries by age, values that stand out, at a fixed cost."""

import datetime as dt
from fractions import Fraction

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook import querying, reviewing
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.console import casebook, quality, scatter
from trialsite.console.quality import Plotted
from trialsite.core import clock
from trialsite.sites.models import Site

PAGE = "/admin/data-quality/"
TODAY = clock.today("Asia/Shanghai")


@pytest.fixture
def team(committed, sealed, site_a, coordinator, investigator):
    return {"site": site_a, "coordinator": coordinator, "investigator": investigator}


def page(user, query="", language="en"):
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    answer = client.get(PAGE + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_progress_is_what_each_casebook_says(team, coordinator, assessor, person):
    early = walk("registered", **team)
    for status in ("consented", "randomized"):
        walk(status, surgery_ago=12, **team)
    other = walk("operated", surgery_ago=12, **team)
    save_record(
        actor=coordinator,
        participant=other,
        event="W1",
        form="vitals",
        values={"temp": "36.6"},
        complete=False,
    )
    with acting(coordinator):
        whole = Record.objects.get(participant=other, form="recheck")
    reviewing.verify(actor=person("monitor"), record=whole)
    for reader in (coordinator, assessor):
        with acting(reader):
            found = quality.by_participant(reader)
            books = [(who, casebook.read(reader, who)) for who, _progress in found]
        assert len(found) == 4
        for (who, one), (_who, book) in zip(found, books, strict=True):
            waiting = [cell for cell in book.cells.values() if cell.reached == "expected"]
            assert (who.code, one.expected, one.complete, one.missing, one.queries) == (
                who.code,
                book.expected,
                book.complete,
                len(waiting),
                book.queries,
            )
        numbers = {who.pk: one for who, one in found}
        assert numbers[early.pk] == quality.Progress()
        assert (numbers[other.pk].drafts, numbers[other.pk].verified) == (1, 1)
    # Two months on the windows of the first weeks have closed with nothing entered.
    with acting(coordinator), clock.pretend(clock.now() + dt.timedelta(days=60)):
        late = max(one.overdue for _who, one in quality.by_participant(coordinator))
        assert late > 0
        [(_site, number, whole_site)] = quality.by_site([team["site"]], quality.by_participant(coordinator))
    assert number == 4
    assert whole_site.overdue >= late


def test_whoever_may_not_see_arms_meets_fewer_forms(team, coordinator, assessor):
    participant = walk("randomized", **team)
    save_record(
        actor=coordinator,
        participant=participant,
        event="LOG",
        form="arm_deviation",
        values={"dvreason": "the machine stood still"},
        complete=False,
    )
    numbers = []
    for reader in (coordinator, assessor):
        with acting(reader):
            [(_who, one)] = quality.by_participant(reader)
        numbers.append((one.expected, one.drafts))
    (told, told_drafts), (hidden, hidden_drafts) = numbers
    assert (told - hidden, told_drafts - hidden_drafts) == (1, 1)
    assert "arm_deviation" not in page(assessor)


def test_queries_stand_by_age_and_state(team, coordinator, person):
    participant = walk("consented", **team)
    manager = person("data_manager")
    with acting(coordinator):
        record = Record.objects.get(participant=participant, form="labs")
    asked = [
        querying.raise_query(actor=manager, record=record, item=item, text="Please check.")
        for item in ("wbc", "anc")
    ]
    querying.answer_query(actor=coordinator, query=asked[0], text="It is right.")
    for days, column in ((0, 0), (8, 1), (20, 2), (40, 3)):
        with acting(coordinator):
            rows = quality.ages(coordinator, [team["site"]], clock.now() + dt.timedelta(days=days, minutes=1))
        counts = [0, 0, 0, 0]
        counts[column] = 1
        assert [(state, found) for _site, state, found in rows] == [("open", counts), ("answered", counts)]
    with clock.pretend(clock.now() + dt.timedelta(days=19)):
        querying.reopen_query(actor=manager, query=asked[0], text="Really?")
    with acting(coordinator):
        rows = quality.ages(coordinator, [team["site"]], clock.now() + dt.timedelta(days=20))
    assert [found for _site, _state, found in rows] == [[1, 0, 1, 0]], "asked again is as old as that"
    assert "up to 7 days" in page(coordinator)
    assert "7 天以内" in page(coordinator, language="zh-hans")


def test_a_value_outside_its_range_is_marked_in_the_figure_and_leads_to_its_form(team, coordinator):
    for weight in ("70", "72", "210"):
        walk("consented", labs={"weight": {"value": weight, "unit": "kg"}}, **team)
    text = page(coordinator, "?item=labs.weight")
    assert text.count('class="outside"') == 1
    assert text.count('class="inside"') == 2
    assert "/form/SCR/labs/1/" in text
    assert "210 kg" in text
    # What was asked about most is what the page opens with.
    assert '<option value="labs.weight" selected' in page(coordinator)
    assert "selected" in page(coordinator, "?item=nonsense&site=%22%3E")


def test_the_figure_has_room_for_anything(definition):
    item = definition.form("labs").items["weight"]

    def drawn(*values):
        plotted = [Plotted("A", "01-001", "SCR", 1, Fraction(value), False) for value in values]
        return scatter.figure(item, plotted, ["A", "B"])

    for values in ((), (70,), (70, 70), (0, 10**9), (Fraction(1, 3),)):
        figure = drawn(*values)
        assert all(0 <= dot.y <= figure["floor"] for dot in figure["dots"])
        assert 2 <= len(figure["ticks"]) <= 12
    assert len({dot.x for dot in drawn(70, 70, 70)["dots"]}) == 3
    assert scatter.figure(item, [], [])["dots"] == []


def test_another_hospitals_data_stay_there(team, coordinator_b):
    participant = walk("consented", **team)
    text = page(coordinator_b, "?site=SHGH&item=labs.weight")
    assert participant.code not in text
    with acting(coordinator_b):
        assert quality.by_participant(coordinator_b) == []
        assert [site.code for site in quality.hospitals(coordinator_b)] == ["SMU3"]
        assert Site.objects.count() > 1


def test_the_page_costs_the_same_number_of_statements_for_one_and_for_many(team, coordinator):
    counts = []
    client = Client()
    client.force_login(coordinator)
    for more in (1, 3):
        for _ in range(more):
            walk("consented", **team)
        client.get(PAGE)
        with CaptureQueriesContext(connection) as asked:
            assert client.get(PAGE).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 20
