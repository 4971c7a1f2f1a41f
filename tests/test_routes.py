"""Every route × every role × own or other hospital. A new route without a row here fails."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

from tests.attachments.files import plain_pdf
from tests.conftest import PASSWORD, make_person
from tests.path import walk
from trialsite.attachments.services import attach
from trialsite.audit.context import acting
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.exports.models import Snapshot
from trialsite.outbox.models import Message
from trialsite.outbox.services import put
from trialsite.participants.models import Consent, ConsentForm
from trialsite.roster.services import delegate
from trialsite.staff.capabilities import ROLES
from trialsite.staff.checks import routes
from trialsite.staff.models import Signature, system_actor
from visits.models import Visit

PEOPLE = tuple(role for role in ROLES if role != "system")
AT_ONE_HOSPITAL = ("coordinator", "investigator", "pi", "assessor", "machine")

# Letters of a row: who may. C coordinator, I investigator, P principal investigator, A assessor, M monitor,
# D data manager, S statistician, T trial manager, U auditor, X administrator, K machine.
LETTERS = dict(zip("CIPAMDSTUXK", PEOPLE, strict=True))
CARE, ALL = "CIP", "CIPAMDSTUXK"
READ = "CIPAMDSTUK"

REST = {
    "GET /participants/": READ,
    "GET /participants/{code}/": READ,
    "POST /participants/register/": CARE + "K",
    "GET /participants/{code}/consent/": READ,
    "POST /participants/{code}/consent/": CARE + "K",
    "PUT /participants/{code}/consent/": CARE + "K",
    "POST /participants/{code}/reconsent/": CARE + "K",
    "GET /participants/{code}/withdrawals/": READ,
    "POST /participants/{code}/rescreening/": CARE + "K",
    "POST /participants/{code}/transfer/": "T",
    "GET /participants/{code}/identity/": READ,
    "PUT /participants/{code}/identity/": CARE + "K",
    "PUT /participants/{code}/identity/unavailable/": CARE + "K",
    "GET /screening-log/": READ,
    "GET /same-persons/": "T",
    "GET /consort/": READ,
    "GET /amendments/{old}/{new}/": READ,
    "GET /consents/owed/": READ,
    "GET /consent-forms/": READ,
    "POST /consent-forms/": "T",
    "POST /consent-forms/{id}/retirement/": "T",
    "GET /participants/{code}/contact/": CARE,
    "PUT /participants/{code}/contact/": CARE,
    "POST /participants/{code}/contact/erasure/": "P",
    "POST /contacts/search/": CARE,
    "POST /participants/{code}/breaches/": CARE + "AK",
    "GET /participants/{code}/eligibility/": READ,
    "POST /participants/{code}/eligibility/": "IP",
    "GET /participants/{code}/queries/": READ,
    "GET /participants/{code}/records/": READ,
    "GET /participants/{code}/records/{event}/{form}/": READ,
    "PUT /participants/{code}/records/{event}/{form}/": CARE + "AK",
    "PATCH /participants/{code}/records/{event}/{form}/": CARE + "AK",
    "GET /participants/{code}/records/{event}/{form}/{repeat}/": READ,
    "PUT /participants/{code}/records/{event}/{form}/{repeat}/": CARE + "AK",
    "PATCH /participants/{code}/records/{event}/{form}/{repeat}/": CARE + "AK",
    "GET /participants/{code}/scores/": READ,
    "GET /participants/{code}/casebook-signature/": READ,
    "GET /participants/{code}/casebook.pdf": READ,
    "GET /protocol/blank-forms.pdf": READ,
    "GET /participants/{code}/sae/{repeat}/narrative.pdf": READ,
    "POST /participants/{code}/casebook-signature/": "IP",
    "GET /participants/{code}/records/{event}/{form}/{repeat}/verification/": READ,
    "POST /participants/{code}/records/{event}/{form}/{repeat}/verification/": "M",
    "POST /participants/{code}/records/{event}/{form}/{repeat}/verification/{id}/withdraw/": "M",
    "GET /participants/{code}/records/{event}/{form}/{repeat}/migration/": READ,
    "POST /participants/{code}/records/{event}/{form}/{repeat}/migration/": CARE + "AK",
    "GET /queries/": READ,
    "POST /queries/": "MDT",
    "GET /queries/{id}/": READ,
    "POST /queries/{id}/answer/": CARE + "AK",
    "POST /queries/{id}/close/": "MDT",
    "POST /queries/{id}/reopen/": "MDT",
    "GET /locks/": READ,
    "POST /locks/": "DT",
    "POST /locks/{id}/lift/": "DT",
    "PUT /participants/{code}/planned-surgery/": CARE + "AK",
    "POST /participants/{code}/screen-failure/": CARE + "AK",
    "POST /participants/{code}/surgery/": CARE + "K",
    "PUT /participants/{code}/surgery/": CARE + "K",
    "POST /participants/{code}/forgo-randomization/": CARE + "K",
    "POST /participants/{code}/forgo-randomization/revoke/": CARE + "K",
    "POST /participants/{code}/randomize/": CARE + "K",
    "POST /participants/{code}/envelope/": CARE + "K",
    "POST /participants/{code}/sbrt/": CARE + "K",
    "PUT /participants/{code}/sbrt/": CARE + "K",
    "POST /participants/{code}/sbrt-end/": CARE + "K",
    "PUT /participants/{code}/sbrt-end/": CARE + "K",
    "GET /participants/{code}/allocation/": "CIPMDSTUK",
    "GET /participants/{code}/certificate/": "CIPMDSTUK",
    "GET /participants/{code}/proof/": "CIPMDSTUK",
    "POST /participants/{code}/randomized-in-error/": "PT",
    "POST /participants/{code}/completion/": CARE + "K",
    "POST /participants/{code}/death/": CARE + "K",
    "PUT /participants/{code}/death/": CARE + "K",
    "POST /participants/{code}/withdrawal/": CARE + "K",
    "GET /exports/": "PMDSTU",
    "GET /exports/{name}.csv": "PMDSTU",
    "GET /exports/snapshots/": "PMDSTU",
    "POST /exports/snapshots/": "PMDSTU",
    "GET /exports/snapshots/{id}/": "PMDSTU",
    "GET /exports/snapshots/{id}/file/": "PMDSTU",
    "GET /participants/{code}/attachments/": READ,
    "POST /participants/{code}/attachments/": CARE + "AK",
    "GET /participants/{code}/attachments/{id}/file/": READ,
    "POST /participants/{code}/attachments/{id}/withdraw/": CARE + "AK",
    "GET /imports/": CARE + "AK",
    "POST /imports/": CARE + "AK",
    "GET /imports/{id}/": CARE + "AK",
    "GET /imports/{id}/faults/": CARE + "AK",
    "GET /safety/": READ,
    "GET /safety/reconciliation/": READ,
    "POST /participants/{code}/sae/{repeat}/steps/": CARE + "AK",
    "GET /limits/": READ,
    "POST /limits/": CARE,
    "POST /limits/{id}/withdraw/": CARE,
    "GET /protocol/": READ,
    "GET /protocol/forms/{code}/": READ,
    "GET /protocol/forms/{code}/schema/": READ,
    "GET /randomization/": "STU",
    "GET /randomization/ledger/": "STU",
    "GET /randomization/heads/": "STU",
    "GET /randomization/strata/": "STU",
    "POST /randomization/steering/": "S",
    "GET /randomization/attestations/": "PST",
    "POST /randomization/attestations/": "PST",
    "GET /randomization/access/": "STU",
    "GET /reminders/": CARE + "MDTUK",
    "GET /reminders/{id}/": CARE + "MDTUK",
    "POST /reminders/{id}/retry/": CARE + "T",
    "POST /reminders/{id}/give-up/": CARE + "T",
    "POST /reminders/{id}/delivered/": CARE + "T",
    "GET /reminders/preferences/": ALL,
    "PUT /reminders/preferences/": ALL,
    "GET /sites/": ALL,
    "GET /sites/{code}/": ALL,
    "POST /sites/{code}/state/": "T",
    "POST /sites/{code}/limit/": "T",
    "GET /sites/{code}/activations/": READ,
    "POST /sites/{code}/activations/": "PT",
    "GET /sites/{code}/access/": CARE + "MTUX",
    "GET /training/": CARE + "MTUX",
    "GET /delegations/": CARE + "MTUX",
    "GET /access-reviews/": CARE + "MTUX",
    "GET /signatures/": READ,
    "GET /signatures/{id}/": READ,
    "GET /holidays/": ALL,
    "PUT /holidays/{day}/": "TX",
    "GET /holiday-years/": ALL,
    "PUT /holiday-years/{year}/": "TX",
    "GET /clinic-days/": READ,
    "PUT /clinic-days/{site}/": "PT",
    "GET /feeds/": READ,
    "POST /feeds/": READ,
    "DELETE /feeds/{id}/": READ,
    "GET /tokens/": ALL,
    "POST /tokens/": ALL,
    "DELETE /tokens/{token_key}/": ALL,
    "GET /visits/": READ,
    "GET /visits/{id}/": READ,
    "GET /visits/{id}/suggestions/": READ,
    "GET /visits/{id}/history/": READ,
    "GET /visits/{id}/records/": READ,
    "POST /visits/unscheduled/": CARE + "K",
    "POST /visits/{id}/book/": CARE + "K",
    "POST /visits/{id}/cancel/": CARE + "K",
    "POST /visits/{id}/attend/": CARE + "K",
    "POST /visits/{id}/miss/": CARE + "K",
    "POST /visits/{id}/correct/": CARE + "K",
}
# Machines have no pages: they cannot sign in.
PAGES = {
    "admin/worklist/": READ,
    "admin/calendar/": READ,
    "admin/clinic/<str:site>/": "PT",
    "admin/holiday/": "TX",
    "admin/holiday-year/": "TX",
    "admin/feeds/": READ,
    "admin/participant/<str:code>/plan/": READ,
    "admin/participant/<str:code>/unscheduled/": CARE,
    "admin/participant/<str:code>/forgo_randomization/": CARE,
    "admin/participant/<str:code>/resume_randomization/": CARE,
    "admin/participant/<str:code>/correct_surgery/": CARE,
    "admin/participant/<str:code>/correct_start_of_sbrt/": CARE,
    "admin/participant/<str:code>/correct_end_of_sbrt/": CARE,
    "admin/participant/<str:code>/correct_death/": CARE,
    "admin/participant/<str:code>/consent/<int:consent>/correct/": CARE,
    "admin/visit/<int:pk>/": READ,
    "admin/visit/<int:pk>/cancel/": CARE,
    "admin/limits/enter/": CARE,
    "admin/exports/": "PMDSTU",
    "admin/exports/table.csv": "PMDSTU",
    "admin/exports/snapshots/<int:number>/file/": "PMDSTU",
    "admin/participant/<str:code>/attachments/": READ,
    "admin/participant/<str:code>/attach/": CARE + "A",
    "admin/participant/<str:code>/attachments/<int:attachment>/file/": READ,
    "admin/participant/<str:code>/attachments/<int:attachment>/withdraw/": CARE + "A",
    "admin/data-quality/": READ,
    "admin/database-lock/": "DT",
    "admin/database-lock/lift/": "DT",
    "admin/imports/": CARE + "A",
    "admin/imports/<int:import_number>/": CARE + "A",
    "admin/safety/": READ,
    "admin/safety/<int:report>/narrative.pdf": READ,
    "admin/safety/new/": CARE + "A",
    "admin/safety/<int:report>/<str:step>/": CARE + "A",
    "admin/mail/": CARE + "MDTU",
    "admin/message/<int:message>/": CARE + "T",
    "admin/my-messages/": ALL.replace("K", ""),
    "admin/register/": CARE,
    "admin/trail.pdf": "IPAMDTU",
    "admin/trail/review/": "PMDT",
    "admin/access/": CARE + "MTUX",
    "admin/access.csv": CARE + "MTUX",
    "admin/access/review/": "PT",
    "admin/access/grant/": "X",
    "admin/access/<int:membership>/end/": "X",
    "admin/roster/": CARE + "MTUX",
    "admin/roster/training/": "CPTX",
    "admin/roster/delegate/": "P",
    "admin/roster/<int:delegation>/end/": "P",
    "admin/activations/": READ,
    "admin/activations/<str:site>/<str:version>/sign/": "PT",
    "admin/activations/<str:site>/<str:version>/cancel/": "PT",
    "admin/password_change/": ALL,
    "admin/account/": ALL,
    "admin/account/passphrase/": ALL,
    "admin/account/sessions/end/": ALL,
    "admin/account/second-factor/": ALL,
    "admin/account/second-factor/set-up/": ALL,
    "admin/account/second-factor/remove/": ALL,
    "admin/account/recovery-codes/": ALL,
    "admin/account/recovery-codes/new/": ALL,
    "admin/account/confirm/": ALL,
    "admin/account/confirm/code/": ALL,
    "admin/account/tokens/": ALL,
    "admin/account/tokens/new/": ALL,
    "admin/account/tokens/<str:token_key>/end/": ALL,
    "admin/system/": "X",
    "admin/people/invite/": "X",
    "admin/people/program/": "X",
    "admin/people/<int:person_id>/": "X",
    "admin/people/<int:person_id>/link/": "X",
    "admin/people/<int:person_id>/close/": "X",
    "admin/people/<int:person_id>/reopen/": "X",
    "admin/people/<int:person_id>/free/": "X",
    "admin/trail/": "IPAMDTU",
    "admin/trail.csv": "IPAMDTU",
    "admin/participant/<str:code>/": READ,
    "admin/participant/<str:code>/consent/": CARE,
    "admin/participant/<str:code>/reconsent/": CARE,
    "admin/participant/<str:code>/rescreen/": CARE,
    "admin/participant/<str:code>/identity/": CARE,
    "admin/participant/<str:code>/transfer/": "T",
    "admin/screening-log/": "CIPAMDSTU",
    "admin/screening-log.csv": "CIPAMDSTU",
    "admin/same-person/": "T",
    "admin/amendment/": "CIPAMDSTU",
    "admin/consent-forms/": "CIPAMDSTU",
    "admin/consent-forms/approve/": "T",
    "admin/consent-forms/<int:consent_form>/retire/": "T",
    "admin/participant/<str:code>/sign_eligibility/": "IP",
    "admin/participant/<str:code>/plan_surgery/": CARE + "A",
    "admin/participant/<str:code>/fail_screening/": CARE + "A",
    "admin/participant/<str:code>/operate/": CARE,
    "admin/participant/<str:code>/randomize/": CARE,
    "admin/participant/<str:code>/certificate/": "CIPMDSTU",
    "admin/participant/<str:code>/mark/": "PT",
    "admin/randomization/overview/": "STU",
    "admin/randomization/designs/": "STU",
    "admin/randomization/steer/": "S",
    "admin/randomization/install/": "S",
    "admin/randomization/export/": "S",
    "admin/hospital/<str:site>/": "T",
    "admin/participant/<str:code>/envelope/": CARE,
    "admin/randomization/attest/": "PST",
    "admin/randomization/access/": "STU",
    "admin/participant/<str:code>/start_sbrt/": CARE,
    "admin/participant/<str:code>/end_sbrt/": CARE,
    "admin/participant/<str:code>/complete/": CARE,
    "admin/participant/<str:code>/withdraw/": CARE,
    "admin/participant/<str:code>/record_death/": CARE,
    "admin/participant/<str:code>/contact/": CARE,
    "admin/participant/<str:code>/contact/erase/": "P",
    "admin/search/": CARE,
    "admin/participant/<str:code>/casebook/": READ,
    "admin/participant/<str:code>/casebook.pdf": READ,
    "admin/blank-forms/": READ,
    "admin/blank-forms.pdf": READ,
    "admin/participant/<str:code>/casebook/sign/": "IP",
    "admin/participant/<str:code>/form/<str:event>/<str:form>/": READ,
    "admin/participant/<str:code>/form/<str:event>/<str:form>/<int:repeat>/": READ,
    "admin/participant/<str:code>/form/<str:event>/<str:form>/<int:repeat>/draft/": CARE + "A",
    "admin/participant/<str:code>/form/<str:event>/<str:form>/<int:repeat>/amend/": CARE + "A",
    "admin/participant/<str:code>/form/<str:event>/<str:form>/<int:repeat>/review/": READ,
    "admin/participant/<str:code>/form/<str:event>/<str:form>/verdict/": CARE + "A",
    "admin/participant/<str:code>/breach/<str:criterion>/": CARE + "A",
    "admin/visit/<int:pk>/book/": CARE,
    "admin/visit/<int:pk>/attend/": CARE,
    "admin/visit/<int:pk>/miss/": CARE,
    "admin/visit/<int:pk>/correct/": CARE,
}
WINDOWS = {
    "audit_seal": "PMDTU",
    "casebook_normallimit": READ,
    "casebook_query": READ,
    "casebook_record": READ,
    "casebook_score": READ,
    "exports_snapshot": "PMDSTU",
    "outbox_message": CARE + "MDTU",
    "participants_participant": READ,
    "protocol_protocolversion": READ,
    "randomization_allocation": "STU",
    "randomization_scheme": "STU",
    "sites_site": ALL,
    "staff_membership": "X",
    "staff_signature": READ,
    "staff_user": "X",
    "visits_appointment": READ,
    "visits_clinicday": READ,
    "visits_formerwindow": READ,
    "visits_holiday": ALL,
    "visits_holidayyear": ALL,
    "visits_visit": READ,
}
# Opened by the secret in the address alone: without it, 404 (tests/visits/test_feeds.py).
SECRET = {"calendar/<str:secret>.ics"}
INVITATION = "invitation/<str:number>/<str:secret>/"
OPEN = {
    *("", "healthz/live", "healthz/ready", "i18n/setlang/", "api/v1/schema/", "api/v1/docs/"),
    *("sign-in/", "sign-in/code/", "sign-out/", "admin/logout/", INVITATION),
}


# The participant of the table is operated: what only an allocation brings is not there yet.
# Papers that would be long are asked for in part: who may have them is the question here.
ASKED = {
    "/protocol/blank-forms.pdf": "?form=pain",
    "admin/blank-forms.pdf": "?form=pain",
    "admin/trail.pdf": "?table=staff_signature",
}
AFTER_RANDOMIZATION = {
    "admin/participant/<str:code>/certificate/",
    "admin/participant/<str:code>/correct_start_of_sbrt/",
    "admin/participant/<str:code>/correct_end_of_sbrt/",
    "admin/participant/<str:code>/correct_death/",
}
# An import is shown to whoever asked for it alone.
OF_ONE_PERSON = {"admin/imports/<int:import_number>/"}


def allowed(letters: str, role: str) -> bool:
    return role in {LETTERS[letter] for letter in letters}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """("METHOD /path/", its description) of each operation below /api/v1/."""
    described = SchemaGenerator().get_schema(request=None, public=True)
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path.removeprefix('/api/v1')}", operation


def example(operation: dict[str, Any]) -> Any:
    """The body that the description gives as an example."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return next((one["value"] for one in content.get("examples", {}).values()), None)


def test_every_route_stands_in_the_table():
    assert {name for name, _ in operations()} == set(REST)
    others = {path for path, _ in routes() if not path.startswith("api/v1/")}
    rest = {path for path, _ in routes() if path.startswith("api/v1/")} - {"api/v1/schema/", "api/v1/docs/"}
    assert others | {"api/v1/schema/", "api/v1/docs/"} == set(PAGES) | OPEN | SECRET
    assert len(rest) >= len({name.split()[1] for name in REST})
    assert {model._meta.label_lower.replace(".", "_") for model in admin.site._registry} == set(WINDOWS)


def test_every_operation_that_takes_a_body_shows_an_example():
    assert [name for name, one in operations() if one.get("requestBody") and example(one) is None] == []


class World:
    """One operated participant of hospital A, and everybody at A and at B."""

    def __init__(self, site_a: Any, site_b: Any) -> None:
        at = {
            site: {role: make_person(role, site if role in AT_ONE_HOSPITAL else None) for role in PEOPLE}
            for site in (site_a, site_b)
        }
        self.here, self.there = at[site_a], at[site_b]
        self.participant = walk(
            "operated",
            site=site_a,
            coordinator=self.here["coordinator"],
            investigator=self.here["investigator"],
        )
        with acting(self.here["coordinator"]):
            self.visit = Visit.objects.filter(participant=self.participant).latest("target_on")
        with acting(self.here["investigator"]):
            signature = Signature.objects.get(signer=self.here["investigator"])
        put(
            actor=system_actor("system.loader"),
            key="of the table",
            kind="visit",
            recipient="participant:1",
            channel="email",
            payload={},
            site=site_a,
            due_at=clock.now(),
            subject_code=self.participant.code,
        )
        authorised = delegate(
            actor=self.here["pi"],
            site=site_a,
            user=self.here["assessor"],
            tasks=["assessment"],
            password=PASSWORD,
        )
        with acting(self.here["trial_manager"]):
            message = Message.objects.get()
            consent_form = ConsentForm.objects.filter(site=site_a).latest("pk")
            consent = Consent.objects.get(participant=self.participant)
        with acting(self.here["pi"]):
            snapshot = Snapshot.objects.create(
                requested_by=self.here["pi"], format="csv", purpose="x", sites=[site_a.pk], shows_arms=False
            )
        report = save_record(
            actor=self.here["coordinator"],
            participant=self.participant,
            event="LOG",
            form="sae",
            values={"saeterm": "sepsis"},
            complete=False,
        ).record
        file = attach(
            actor=self.here["coordinator"], to=report, title="Letter", content=plain_pdf(), identifies=False
        )
        self.values = {
            "attachment": str(file.pk),
            "report": str(report.pk),
            "step": "to_sponsor",
            "import_number": "1",
            "code": self.participant.code,
            "event": "SCR",
            "form": "labs",
            "repeat": "1",
            "criterion": "I5",
            "pk": str(self.visit.pk),
            "delegation": str(authorised[0].pk),
            "membership": str(self.here["assessor"].memberships.get().pk),
            "signature": str(signature.pk),
            "token_key": "00000000",
            "day": "2027-02-06",
            "year": "2026",
            "site": site_a.code,
            "version": "1.0",
            "old": "1.0",
            "new": "1.0",
            "name": "labs",
            "person_id": str(self.here["coordinator"].pk),
            "message": str(message.pk),
            "consent_form": str(consent_form.pk),
            "consent": str(consent.pk),
            "number": str(snapshot.pk),
        }

    def rest_path(self, name: str) -> str:
        path = name.split()[1]
        special = {
            "sites": {"code": "SHGH"},
            "protocol": {"code": "labs"},
            "visits": {"id": self.values["pk"]},
            "signatures": {"id": self.values["signature"]},
            "consent-forms": {"id": self.values["consent_form"]},
        }
        room = path.strip("/").split("/")[0]
        values = self.values | {"id": self.values["message"]} | special.get(room, {})
        return "/api/v1" + path.format(**values) + ASKED.get(path, "")

    def page_path(self, route: str) -> str:
        for name, value in self.values.items():
            route = route.replace(f"<str:{name}>", value).replace(f"<int:{name}>", value)
        return f"/{route}{ASKED.get(route, '')}"


@pytest.fixture
def world(committed, sealed, site_a, site_b):
    return World(site_a, site_b)


_clients: dict[int, tuple[Any, Client]] = {}


def ask(user: Any, method: str, path: str, body: Any = None) -> int:
    """The status for `user`, who signs in once."""
    known, client = _clients.get(user.pk, (None, Client()))
    if known is not user:
        client = Client()
        client.force_login(user)
        _clients[user.pk] = (user, client)
    return client.generic(method, path, json.dumps(body or {}), "application/json").status_code


def test_rest_routes_open_for_the_roles_of_the_table_only(world):
    wrong: list[object] = []
    for name, letters in REST.items():
        for role in PEOPLE:
            status = ask(world.here[role], name.split()[0], world.rest_path(name))
            fine = status < 500 and status not in (401, 403) if allowed(letters, role) else status == 403
            if not fine:
                wrong.append((name, role, status))
    assert wrong == []


def test_another_hospitals_participant_is_not_found_by_any_rest_route(world):
    bodies = {name: example(operation) for name, operation in operations()}
    wrong: list[object] = []
    for name, letters in REST.items():
        if not name.split()[1].startswith(("/participants/{", "/visits/{", "/signatures/{")):
            continue
        for role in AT_ONE_HOSPITAL:
            status = ask(world.there[role], name.split()[0], world.rest_path(name), bodies[name])
            if status != (404 if allowed(letters, role) else 403):
                wrong.append((name, role, status))
    assert wrong == []


@pytest.mark.parametrize("path", ["participants/", "visits/", "reminders/", "participants/?site__code=SHGH"])
def test_lists_show_nothing_of_another_hospital(world, path):
    client = Client()
    client.force_login(world.there["coordinator"])
    assert client.get(f"/api/v1/{path}").json()["results"] == []


def test_pages_open_for_the_roles_of_the_table_only(world):
    wrong: list[object] = []
    people = [role for role in PEOPLE if role != "machine"]
    for route, letters in PAGES.items():
        for role in people:
            may = allowed(letters, role)
            status = ask(world.here[role], "GET", world.page_path(route))
            fine = (
                status in ((404,) if route in AFTER_RANDOMIZATION | OF_ONE_PERSON else (200, 302, 405))
                if may
                else status == 403
            )
            fine = fine and (may or ask(world.here[role], "POST", world.page_path(route)) == 403)
            if not fine:
                wrong.append((route, role, status))
            if may and role in AT_ONE_HOSPITAL and "<" in route:
                for method in ("GET", "POST"):
                    status = ask(world.there[role], method, world.page_path(route))
                    if status not in (404, 405):
                        wrong.append((route, f"{role} elsewhere", method, status))
    assert wrong == []


def test_windows_open_for_the_roles_of_the_table_and_write_for_nobody(world):
    wrong: list[object] = []
    for table, letters in WINDOWS.items():
        for role in PEOPLE:
            if role == "machine":
                continue
            status = ask(world.here[role], "GET", reverse(f"admin:{table}_changelist"))
            if status != (200 if allowed(letters, role) else 403):
                wrong.append((table, role, status))
            if ask(world.here[role], "GET", reverse(f"admin:{table}_add")) != 403:
                wrong.append((table, role, "add"))
    assert wrong == []


def test_a_stranger_reaches_only_what_is_open(world):
    for name in REST:
        answer = Client().generic(name.split()[0], world.rest_path(name))
        assert answer.status_code == 401, name
    for route in PAGES:
        answer = Client().get(world.page_path(route))
        assert (answer.status_code, answer.headers["Location"][:13]) == (302, "/admin/login/"), route
    for path in OPEN - {"healthz/ready", "i18n/setlang/", INVITATION}:
        assert Client().get(f"/{path}").status_code in (200, 302), path
