"""Two hospitals with somebody of every role, and at the first a row in every table that belongs to hospitals.

Every text that somebody could give at hospital A holds MARK: what shows it to someone of B has shown a row of A.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

from django.contrib.contenttypes.models import ContentType

from randomization import arms, steering
from randomization.models import Allocation, Scheme
from tests.attachments.files import plain_pdf
from tests.conftest import PASSWORD, activate, install_demo_list, make_person
from tests.path import walk
from trialsite.attachments.services import attach
from trialsite.audit.context import acting
from trialsite.audit.models import Seal
from trialsite.audit.services import seal
from trialsite.casebook import limits, querying, reviewing
from trialsite.casebook.models import Record, Score
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import corrections, services, treatment
from trialsite.exports.services import request_snapshot
from trialsite.exports.writing import write_snapshot
from trialsite.imports.services import request_import
from trialsite.outbox.models import Message
from trialsite.outbox.services import put
from trialsite.participants import services as participants
from trialsite.participants.models import Consent, ConsentForm, Participant
from trialsite.roster import services as roster
from trialsite.staff.access import has
from trialsite.staff.capabilities import FEED_OWN, RECORD_EDIT, ROLES
from trialsite.staff.models import Signature, Token, system_actor
from trialsite.staff.tokens import issue_token
from visits.models import Appointment, ClinicDay, Feed, FormerWindow, Holiday, HolidayYear, Visit
from visits.services import Opening, book, make_feed, set_clinic_days

MARK: Final = "zqxv"
PEOPLE: Final = tuple(role for role in ROLES if role != "system")
AT_ONE_HOSPITAL: Final = ("coordinator", "investigator", "pi", "assessor", "machine")


def marked(text: str) -> str:
    """A text of hospital A."""
    return f"{MARK} {text}"


@dataclass
class World:
    """The people by role, and what stands in addresses."""

    a: Any
    b: Any
    here: dict[str, Any]
    """One of each role: at hospital A those who work at one, the others at all."""
    there: dict[str, Any]
    """One of each role at hospital B alone."""
    participant: Participant
    tokens: dict[str, str]
    """{role: secret} of those of `here`."""
    values: dict[str, str]
    """{parameter of an address: of which row of hospital A}; `id` after `visits` is `visits/id`, `code` before
    `sbrt` is `code/sbrt`."""
    own: dict[str, dict[str, str]]
    """{role: the same, of what belongs to that person alone}."""
    windows: dict[str, str]
    """{table: key of a row of hospital A, or of all}."""

    def value(self, name: str, before: str, role: str, after: str = "") -> str:
        """What stands in an address for the parameter `name` between the words `before` and `after`."""
        known = self.values | self.own[role]
        return known.get(f"{name}/{after}") or known.get(f"{before}/{name}") or known.get(name, "1")


def build() -> World:
    """Everything through the services, as its people would do it."""
    a, b = activate("SHGH"), activate("SMU3")
    here = {role: make_person(role, a if role in AT_ONE_HOSPITAL else None) for role in PEOPLE}
    there = {role: make_person(role, b) for role in PEOPLE}
    install_demo_list()
    # There is no worker: what is asked of one is done here by hand, or left undone.
    with patch("celery.app.task.Task.delay"):
        main = walk("randomized", site=a, coordinator=here["coordinator"], investigator=here["investigator"])
        world = World(a, b, here, there, main, {}, {}, {}, {})
        for part in (_others, _treated, _casebook, _visits, _roster, _own):
            part(world)
    return world


def _others(world: World) -> None:
    """Participants of A who failed, moved, left, or were marked as randomized in error; the address of the first."""
    coordinator, today = world.here["coordinator"], clock.today(world.a.timezone)
    staff = {"site": world.a, "coordinator": coordinator, "investigator": world.here["investigator"]}
    participants.set_contact(
        actor=coordinator,
        participant=world.participant,
        name=marked("Wang Jing"),
        phone="021-55501234",
        email=f"{MARK}@patients.example",
        language="en",
        contact_consent=True,
    )
    failed = walk("consented", **staff)
    participants.record_identity(
        actor=coordinator,
        participant=failed,
        name=marked("Wang Jing"),
        birth_date=dt.date(1950, 2, 3),
        last_digits="123X",
    )
    levels = dict.fromkeys(("mobility", "self_care", "activities", "discomfort", "anxiety", "vas"), 1)
    save_record(
        actor=coordinator,
        participant=failed,
        event="BL",
        form="eq5d",
        values={"eqdat": today.isoformat(), **levels},
    )
    reviewing.sign_casebook(actor=world.here["investigator"], participant=failed, password=PASSWORD)
    services.fail_screening(
        actor=coordinator, participant=failed, reason="declined", note=marked("not willing")
    )
    wrong = walk("randomized", surgery_ago=4, **staff)
    corrections.correct_surgery(
        actor=coordinator,
        participant=wrong,
        values=casebook.surgery(today - dt.timedelta(days=3)),
        expected_version=1,
        reason=marked("misread"),
    )
    steering.void_envelope(
        actor=world.here["statistician"],
        stratum=f"site={world.a.code}",
        number=1,
        reason=marked("lost in the move"),
        password=PASSWORD,
        second=world.here["pi"],
        second_password=PASSWORD,
    )
    steering.mark_in_error(
        actor=world.here["pi"],
        participant=wrong,
        kind="ineligible",
        reason=marked("too early"),
        truth=marked("had a fracture"),
    )
    services.withdraw(
        actor=coordinator,
        participant=wrong,
        values={"wddat": today.isoformat(), "level": "visits", "reason": marked("moved abroad")},
    )
    moved = walk(
        "registered",
        site=world.b,
        coordinator=world.there["coordinator"],
        investigator=world.there["investigator"],
    )
    participants.transfer(
        actor=world.here["trial_manager"], participant=moved, to=world.a, reason=marked("lives there")
    )


def _treated(world: World) -> None:
    """A participant of A who was given SBRT and died: its start, its end and the death can be corrected."""
    coordinator, now = world.here["coordinator"], clock.now()
    staff = {"site": world.a, "coordinator": coordinator, "investigator": world.here["investigator"]}
    for _ in range(12):
        treated = walk("randomized", **staff)
        with acting(coordinator):
            if arms.visible_to(coordinator).get(participant=treated).arm == "RFA_PVP_SBRT":
                break
    first = clock.today(world.a.timezone) + dt.timedelta(days=12)
    with clock.pretend(now + dt.timedelta(days=60)):
        services.start_treatment(actor=coordinator, participant=treated, values=casebook.sbrt(first))
        save_record(
            actor=coordinator,
            participant=treated,
            event="SBRT",
            form="fraction",
            values={
                "ecdat": first.isoformat(),
                "number": 1,
                "dose": "6",
                "toxicity": 0,
                "interrupted": False,
            },
        )
        treatment.end(
            actor=coordinator,
            participant=treated,
            values={"endat": first.isoformat(), "completed": False, "reason": marked("too ill")},
        )
        services.record_death(
            actor=coordinator,
            participant=treated,
            values={"dthdat": (first + dt.timedelta(days=30)).isoformat(), "cause": "disease"},
        )
    steps = ("correct_start_of_treatment", "correct_end_of_treatment", "correct_death")
    world.values |= dict.fromkeys((f"code/{step}" for step in steps), treated.code)


def _casebook(world: World) -> None:
    """A report with a letter, a question with its answer, a verification, a lock, a limit of normal."""
    coordinator, people = world.here["coordinator"], world.here
    report = save_record(
        actor=coordinator,
        participant=world.participant,
        event="LOG",
        form="sae",
        values={"saeterm": marked("sepsis")},
        complete=False,
    ).record
    letter = attach(
        actor=coordinator,
        to=report,
        title=marked("Letter"),
        content=plain_pdf(marked("discharge")),
        identifies=False,
    )
    with acting(coordinator):
        labs = Record.objects.get(participant=world.participant, event="SCR", form="labs")
        pain = Record.objects.get(participant=world.participant, event="SCR", form="pain")
        score = Score.objects.filter(site=world.a)[0]
        definition = labs.protocol_version.definition
    query = querying.raise_query(
        actor=people["monitor"], record=labs, item="hgb", text=marked("please look again")
    )
    querying.answer_query(actor=coordinator, query=query, text=marked("as in the report"))
    (verified,) = reviewing.verify(actor=people["monitor"], record=labs)
    lock = reviewing.place_lock(
        actor=people["data_manager"], kind="freeze", level="form", record=pain, reason=marked("cleaned")
    )
    limit = limits.enter(
        actor=coordinator,
        site=world.a,
        definition=definition,
        form="labs",
        item="ast",
        value="40",
        unit="U/L",
        valid_from=dt.date(2026, 1, 1),
        source=marked("report of the laboratory"),
    )
    world.values |= {
        "code": world.participant.code,
        "event": "SCR",
        "form": "labs",
        "repeat": "1",
        "criterion": "I5",
        "report": str(report.pk),
        "sae/repeat": str(report.repeat),
        "step": "to_sponsor",
        "attachment": str(letter.pk),
        "attachments/id": str(letter.pk),
        "queries/id": str(query.pk),
        "verification/id": str(verified.pk),
        "locks/id": str(lock.pk),
        "limits/id": str(limit.pk),
        "forms/code": "labs",
        "name": "labs",
        "old": "1.0",
        "new": "1.0",
        "content_type_id": str(ContentType.objects.get_for_model(Record).pk),
        "object_id": str(labs.pk),
    }
    world.windows |= {
        "casebook_record": str(labs.pk),
        "casebook_query": str(query.pk),
        "casebook_score": str(score.pk),
        "casebook_normallimit": str(limit.pk),
        "participants_participant": str(world.participant.pk),
        "protocol_protocolversion": str(labs.protocol_version_id),
    }


def _visits(world: World) -> None:
    """An appointment, a window that moved, a clinic day, a message."""
    coordinator = world.here["coordinator"]
    set_clinic_days(
        actor=world.here["pi"],
        site=world.a,
        days=[Opening(weekday) for weekday in range(7)],
        reason=marked("ward"),
    )
    with acting(coordinator):
        visit = Visit.objects.filter(participant=world.participant).latest("target_on")
    book(
        actor=coordinator,
        visit=visit,
        at=clock.now() + dt.timedelta(days=60),
        place=marked("room 3"),
        reason=marked("asked for"),
    )
    put(
        actor=system_actor("system.loader"),
        key=marked("of the world"),
        kind="visit",
        recipient="participant:1",
        channel="email",
        payload={"said": marked("come at nine")},
        site=world.a,
        due_at=clock.now() + dt.timedelta(days=1),
        subject_code=world.participant.code,
    )
    with acting(coordinator):
        message = Message.objects.get(key=marked("of the world"))
        world.windows |= {
            "visits_visit": str(visit.pk),
            "visits_appointment": str(Appointment.objects.get(visit=visit).pk),
            "visits_formerwindow": str(FormerWindow.objects.filter(site=world.a)[0].pk),
            "visits_clinicday": str(ClinicDay.objects.filter(site=world.a)[0].pk),
            "outbox_message": str(message.pk),
        }
    world.values |= {
        "pk": str(visit.pk),
        "visits/id": str(visit.pk),
        "message": str(message.pk),
        "reminders/id": str(message.pk),
        "day": "2027-02-06",
        "year": "2026",
    }


def _roster(world: World) -> None:
    """Training, delegation, both reviews; seals of the trail."""
    people, today = world.here, clock.today(world.a.timezone)
    authorised = roster.delegate(
        actor=people["pi"], site=world.a, user=people["assessor"], tasks=["assessment"], password=PASSWORD
    )
    roster.record_training(
        actor=people["pi"],
        site=world.a,
        user=people["assessor"],
        topic=marked("GCP"),
        completed_on=today,
        evidence=marked("certificate 12"),
    )
    roster.review_access(actor=people["pi"], site=world.a, findings=marked("none"), password=PASSWORD)
    roster.review_trail(
        actor=people["monitor"],
        site=world.a,
        since=today,
        until=today,
        scope=marked("consents"),
        findings=marked("none"),
    )
    seal()
    with acting(people["trial_manager"]):
        form = ConsentForm.objects.filter(site=world.a).latest("pk")
        consent = Consent.objects.get(participant=world.participant)
        signature = Signature.objects.filter(signer=people["investigator"]).earliest("signed_at")
    membership = people["assessor"].memberships.get()
    world.values |= {
        "delegation": str(authorised[0].pk),
        "membership": str(membership.pk),
        "person_id": str(people["coordinator"].pk),
        "signatures/id": str(signature.pk),
        "consent": str(consent.pk),
        "consent_form": str(form.pk),
        "consent-forms/id": str(form.pk),
        "site": world.a.code,
        "sites/code": world.a.code,
        "version": "1.0",
    }
    world.windows |= {
        "sites_site": str(world.a.pk),
        "staff_user": str(people["coordinator"].pk),
        "staff_membership": str(membership.pk),
        "staff_signature": str(signature.pk),
    }


def _own(world: World) -> None:
    """What belongs to one person each: a token, a feed, an import; and a snapshot of hospital A."""
    for role, person in world.here.items():
        world.tokens[role] = issue_token(
            actor=person, user=person, name=marked("token"), valid_for=dt.timedelta(days=1)
        )
        own = {"token_key": Token.objects.get(user=person).token_key}
        if has(person, FEED_OWN):
            make_feed(actor=person, name=marked("telephone"))
            own["feeds/id"] = str(Feed.objects.get(user=person).pk)
        if has(person, RECORD_EDIT):
            rows = [{"participant": world.participant.code, "event": "SCR"}]
            wanted, _new = request_import(actor=person, form="labs", reason=marked("diary"), rows=rows)
            own |= {"import_number": str(wanted.pk), "imports/id": str(wanted.pk)}
        world.own[role] = own
    snapshot = request_snapshot(actor=world.here["pi"], format="csv", purpose=marked("report"))
    write_snapshot(number=snapshot.pk)
    world.values |= {"number": str(snapshot.pk), "snapshots/id": str(snapshot.pk)}
    world.windows |= {
        "exports_snapshot": str(snapshot.pk),
        "audit_seal": str(Seal.objects.latest("pk").pk),
        "randomization_scheme": str(Scheme.objects.get().pk),
        "visits_holiday": str(Holiday.objects.earliest("pk").pk),
        "visits_holidayyear": str(HolidayYear.objects.earliest("pk").pk),
    }
    with acting(world.here["pi"]):
        made = Allocation.objects.get(participant=world.participant)
        world.windows["randomization_allocation"] = str(made.pk)
