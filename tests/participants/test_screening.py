"""The screening log, another attempt of the same person, the move to another hospital."""

import json
from typing import Any

import psycopg
import pytest
from django.test import Client

from randomization import arms
from randomization.verification import verify
from tests.conftest import PASSWORD
from tests.participants.test_identity import WHO, identify
from tests.path import walk
from tests.randomization.stories import as_superuser
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook.reviewing import sign_casebook
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid
from trialsite.enrollment import planning, services
from trialsite.enrollment.errors import NotToBeRescreened
from trialsite.participants import screening
from trialsite.participants import services as participants
from trialsite.participants.errors import AlreadyThere, FailureDiffers, RegistrationKeyReused
from trialsite.participants.models import Participant, ScreenFailure


@pytest.fixture
def failed(site_a, coordinator, investigator):
    """A participant whose pain and ECOG keep out, screened and failed."""
    participant = walk(
        "consented",
        site=site_a,
        coordinator=coordinator,
        investigator=investigator,
        pain={"worst": 3},
        performance={"ecog": 3},
    )
    services.fail_screening(actor=coordinator, participant=participant, reason="criteria", note="Pain 3.")
    return participant


# The log -------------------------------------------------------------------------------------------------------


def test_a_failure_keeps_the_criteria_that_fail_by_what_is_recorded(failed, coordinator):
    with acting(coordinator):
        failure = ScreenFailure.objects.get(participant=failed)
    assert (failure.reason, failure.criteria, failure.note) == ("criteria", ["I5", "I6"], "Pain 3.")


def test_criteria_are_no_reason_where_none_fails(site_a, coordinator, investigator):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    with pytest.raises(Invalid):
        services.fail_screening(actor=coordinator, participant=participant, reason="criteria")
    services.fail_screening(actor=coordinator, participant=participant, reason="declined")
    with acting(coordinator):
        assert ScreenFailure.objects.get(participant=participant).criteria == []


def test_the_same_again_is_done_already_and_something_else_is_a_conflict(failed, coordinator):
    def fail(**changes: Any) -> Any:
        given = {"reason": "criteria", "note": "Pain 3."} | changes
        return services.fail_screening(actor=coordinator, participant=failed, **given)

    assert fail().pk == failed.pk
    for changes in ({"reason": "declined"}, {"note": "Pain 2."}):
        with pytest.raises(FailureDiffers):
            fail(**changes)
    with pytest.raises(RegistrationKeyReused) as refused:
        services.rescreen(actor=coordinator, participant=failed, registration_key=failed.registration_key)
    assert refused.value.params["participant"] == failed.code
    second = services.rescreen(actor=coordinator, participant=failed, registration_key="again-0009")
    with pytest.raises(RegistrationKeyReused):
        services.register(actor=coordinator, site=second.site, registration_key="again-0009")


def test_without_a_day_of_surgery_nothing_that_grows_old_fails(site_a, coordinator, investigator):
    """Windows count back from the surgery, never from today: without a day for it the old count is unknown."""
    participant = walk(
        "consented", site=site_a, coordinator=coordinator, investigator=investigator, labs={"plt": "49"}
    )
    with acting(coordinator):
        Participant.objects.filter(pk=participant.pk).update(planned_surgery_on=None)
        participant.refresh_from_db()
    with pytest.raises(Invalid) as refused:
        services.fail_screening(actor=coordinator, participant=participant, reason="criteria")
    assert "planned" in refused.value.fields["reason"][0]
    today = clock.today(site_a.timezone)
    planning.plan_surgery(actor=coordinator, participant=participant, surgery_on=today)
    services.fail_screening(actor=coordinator, participant=participant, reason="criteria")
    with acting(coordinator):
        assert ScreenFailure.objects.get(participant=participant).criteria == ["I7a-4"]


@pytest.mark.parametrize(
    "body",
    [{}, {"reason": "because"}, {"reason": 7}, {"reason": "other", "note": "x" * 501}, {"reason": None}],
)
def test_a_bad_reason_is_refused_by_name_and_nothing_is_stored(participant, coordinator, body):
    client = Client()
    client.force_login(coordinator)
    answer = client.post(
        f"/api/v1/participants/{participant.code}/screen-failure/", json.dumps(body), "application/json"
    )
    assert answer.status_code == 422 and answer.json()["fields"]
    with acting(coordinator):
        assert Participant.objects.get(pk=participant.pk).status == "registered"


def test_the_log_shows_every_attempt_of_the_own_hospital_on_page_as_file_and_over_rest(
    failed, coordinator, coordinator_b, django_assert_num_queries
):
    client = Client()
    client.force_login(coordinator)
    for language, title in (("en", "Pain above 3 on the index level"), ("zh-hans", "靶节段疼痛评分大于 3")):
        page = client.get("/admin/screening-log/", headers={"accept-language": language}).content.decode()
        assert "I5" in page and "I6" in page and title in page
    line = client.get("/admin/screening-log.csv").content.decode("utf-8-sig").splitlines()[1].split(",")
    assert (line[0], line[8], line[9]) == (failed.code, "criteria", "I5 I6")
    (told,) = client.get("/api/v1/screening-log/").json()
    assert (told["participant"], told["reason"], told["criteria"]) == (failed.code, "criteria", ["I5", "I6"])
    client.force_login(coordinator_b)
    assert client.get("/api/v1/screening-log/").json() == []
    with acting(coordinator), django_assert_num_queries(1):
        list(screening.log(coordinator))


# Another attempt -----------------------------------------------------------------------------------------------


def test_another_attempt_has_a_code_of_its_own_and_begins_anew(failed, coordinator):
    second = services.rescreen(actor=coordinator, participant=failed, registration_key="again-0001")
    assert (second.code, second.status, second.attempt) == ("01-002", "registered", 2)
    assert second.previous_id == failed.pk
    assert services.rescreen(actor=coordinator, participant=failed, registration_key="again-0001") == second
    with acting(coordinator):
        assert not second.consents.exists() and not second.records.exists()
    for late in (failed, second):
        with pytest.raises(NotToBeRescreened):
            services.rescreen(actor=coordinator, participant=late, registration_key="again-0002")


# Transfer ------------------------------------------------------------------------------------------------------

OWNED = """
SELECT c.table_name FROM information_schema.columns c JOIN information_schema.columns p USING (table_schema, table_name)
 WHERE c.table_schema = 'public' AND c.column_name = 'site_id' AND p.column_name = 'participant_id' ORDER BY 1
"""


@pytest.fixture
def randomized(committed, sealed, site_a, site_b, coordinator, investigator, reach):
    participant = walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator)
    reach(participant)
    identify(coordinator, participant)
    services.withdraw(
        actor=coordinator,
        participant=participant,
        values={"wddat": participant.created_at.date().isoformat(), "level": "treatment"},
    )
    return participant


def move(actor: Any, participant: Any, to: Any, reason: str = "Moved to Guangzhou.") -> Any:
    return participants.transfer(actor=actor, participant=participant, to=to, reason=reason)


def test_after_a_transfer_the_new_hospital_sees_every_row_and_the_old_one_none(
    randomized, coordinator, coordinator_b, trial_manager, site_a, site_b, raw
):
    tables = [name for (name,) in raw(OWNED, actor=coordinator) if name != "audit_event"]
    count = {
        table: raw(
            f"SELECT count(*) FROM {table} WHERE participant_id = %s", randomized.pk, actor=coordinator
        )
        for table in tables
    }
    with acting(coordinator):
        signature = randomized.verdicts.get().signature_id
    moved = move(trial_manager, randomized, site_b)
    assert (moved.code, moved.site_id) == (randomized.code, site_b.pk)
    count["participants_transfer"] = [(1,)]
    for table in tables:
        asked = f"SELECT count(*) FROM {table} WHERE participant_id = %s"
        assert raw(asked, randomized.pk, actor=coordinator_b) == count[table], table
        assert raw(asked, randomized.pk, actor=coordinator) == [(0,)], table
    for asked in (
        "SELECT code FROM participants_participant",
        f"SELECT 1 FROM staff_signature WHERE id = {signature}",
        f"SELECT 1 FROM staff_signedversion WHERE signature_id = {signature}",
        "SELECT 1 FROM outbox_message WHERE subject_code <> ''",
    ):
        assert raw(asked, actor=coordinator) == [] != raw(asked, actor=coordinator_b), asked
    assert sum(rows[0][0] > 0 for rows in count.values()) >= 8


def test_the_signature_over_a_casebook_moves_with_it(
    committed, site_a, site_b, coordinator, investigator, coordinator_b, trial_manager, raw
):
    participant = walk("consented", site=site_a, coordinator=coordinator, investigator=investigator)
    made = sign_casebook(actor=investigator, participant=participant, password=PASSWORD)
    moved = move(trial_manager, participant, site_b)
    for asked in (
        f"SELECT 1 FROM staff_signature WHERE id = {made.signature_id}",
        f"SELECT 1 FROM staff_signedversion WHERE signature_id = {made.signature_id}",
    ):
        assert raw(asked, actor=coordinator) == [] != raw(asked, actor=coordinator_b), asked
    client = Client()
    client.force_login(coordinator_b)
    (told,) = client.get(f"/api/v1/participants/{moved.code}/casebook-signature/").json()["results"]
    assert told["records"] == made.records


def test_a_transfer_keeps_arm_stratum_and_every_row_of_the_randomization(
    randomized, coordinator, coordinator_b, trial_manager, site_a, site_b, raw, statistician, cluster
):
    whole = "SELECT to_jsonb(a)::text FROM randomization_allocation a"
    before = raw(whole, actor=statistician)
    with acting(coordinator):
        arm = arms.visible_to(coordinator).get(participant=randomized).arm
    move(trial_manager, randomized, site_b)
    assert raw(whole, actor=statistician) == before
    with acting(coordinator_b):
        allocation = arms.visible_to(coordinator_b).get(participant=randomized)
    assert (allocation.arm, allocation.site_id) == (arm, site_a.pk)
    with acting(coordinator):
        assert not arms.visible_to(coordinator).filter(participant=randomized).exists()
    assert verify(actor=statistician) == [], "the ledger is whole, wherever its people live now"
    as_superuser(cluster, f"UPDATE participants_transfer SET from_site_id = {site_b.pk}")
    assert verify(actor=statistician) == ["position 1: the participant was never at its hospital"]


def test_the_new_hospital_goes_on_and_codes_are_never_given_twice(
    randomized, coordinator, coordinator_b, trial_manager, site_a, site_b
):
    moved = move(trial_manager, randomized, site_b)
    services.record_death(
        actor=coordinator_b, participant=moved, values={"dthdat": "2026-11-01", "cause": "progression"}
    )
    following = services.register(actor=coordinator, site=site_a, registration_key="after-transfer-1")
    assert following.code == "01-002"


def test_a_transfer_stands_in_the_trail_with_its_reason(randomized, trial_manager, site_b, person):
    move(trial_manager, randomized, site_b)
    with acting(person("auditor")):
        event = Event.objects.filter(table_name="participants_participant", action="update").latest("id")
    assert event.reason == "Moved to Guangzhou." and list(event.changes) == ["site_id"]


def test_bare_sql_moves_nobody(randomized, coordinator, trial_manager, site_b, raw):
    direct = "UPDATE participants_participant SET site_id = %s"
    for actor in (coordinator, trial_manager):
        with pytest.raises((psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege)):
            raw(
                f"SELECT set_config('edc.transfer', '1', true); {direct}".replace("%s", str(site_b.pk)),
                actor=actor,
            )
        with pytest.raises(psycopg.Error):
            raw("SELECT edc_transfer(%s, %s)", randomized.pk, site_b.pk, actor=actor)


def test_a_transfer_is_the_trial_managers_and_needs_a_reason_and_another_active_hospital(
    randomized, coordinator, trial_manager, site_a, site_b, person
):
    # A manager of one hospital met a failure of the server: the database alone asked for all of them.
    for actor in (coordinator, person("trial_manager", site_a)):
        with pytest.raises(Forbidden):
            move(actor, randomized, site_b)
    for reason in ("", " ", "x" * 301, "a\x00b"):
        with pytest.raises(Invalid):
            move(trial_manager, randomized, site_b, reason)
    with pytest.raises(AlreadyThere):
        move(trial_manager, randomized, site_a)
    site_b.state = "paused"
    with pytest.raises(Invalid):
        move(trial_manager, randomized, site_b)


def test_the_pages_of_an_attempt_an_identity_and_a_transfer(failed, coordinator, trial_manager, site_b):
    client = Client()
    client.force_login(coordinator)
    page = f"/admin/participant/{failed.code}"
    assert client.post(f"{page}/identity/", WHO).status_code == 302
    again = client.post(f"{page}/rescreen/", {"key": "again-by-page-01"})
    assert (again.status_code, again.headers["Location"]) == (302, "/admin/participant/01-002/")
    client.force_login(trial_manager)
    assert client.post(f"{page}/transfer/", {"site": site_b.pk, "reason": "Moved."}).status_code == 302
