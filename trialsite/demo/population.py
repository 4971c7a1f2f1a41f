"""About forty invented participants in every state, made through the services; deterministic but for today's date."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from randomization import arms, generation, vault
from trialsite.audit.context import acting
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook, incidents, messages, review, stories
from trialsite.demo.people import DEMO_PEOPLE, PASSPHRASE
from trialsite.enrollment import planning, services, trial
from trialsite.participants.models import Participant
from trialsite.participants.services import approve_consent_form, record_identity, set_contact
from trialsite.protocol.models import ProtocolVersion
from trialsite.roster import services as roster
from trialsite.roster.models import AccessReview
from trialsite.sites.models import Activation, Site
from trialsite.sites.services import set_state, sign_activation
from trialsite.staff.models import User, system_actor
from trialsite.staff.services import create_user, grant
from visits import services as visits
from visits.days import suggest
from visits.models import ClinicDay, Visit

# (hospital, days since surgery or None, status to reach). Site shares as the targets: 2 : 1 : 1.
PLAN: Final[Sequence[tuple[str, int, str]]] = [
    *[("SHGH", days, "randomized") for days in (230, 200, 171, 140, 118, 96, 75, 52, 40, 26, 12)],
    *[("SHGH", days, "completed") for days in (440, 425)],
    ("PKUPH", 410, "completed"),
    *[("SMU3", days, "randomized") for days in (190, 121, 80, 33, 8)],
    *[("PKUPH", days, "randomized") for days in (175, 110, 60, 30, 9)],
    ("SHGH", 160, "dead"),
    ("SMU3", 100, "withdrawn"),
    ("SHGH", 4, "operated"),
    ("SMU3", 2, "operated"),
    ("PKUPH", 3, "operated"),
    ("SHGH", 40, "operated"),
    *[(site, -2, "eligible") for site in ("SHGH", "SMU3", "PKUPH", "SHGH")],
    *[(site, -4, "consented") for site in ("SHGH", "SMU3", "PKUPH")],
    *[(site, -5, "screening") for site in ("SHGH", "PKUPH")],
    *[(site, 15, "screen_failed") for site in ("SHGH", "SHGH", "SMU3")],
    *[(site, -6, "registered") for site in ("SHGH", "SMU3", "PKUPH")],
]


@dataclass(frozen=True)
class _Team:
    coordinator: User
    investigator: User


def load(report: Callable[[str], object], *, plan: Sequence[tuple[str, int, str]] = PLAN) -> None:
    """Fill the demonstration with the participants of `plan` that are not there yet. Refuses production.

    Each registers under a key of its own, so that a filling which was broken off goes on with those that lack.
    """
    if settings.TRIALSITE_ENV == "prod":
        raise RuntimeError("The demonstration is never loaded in production.")
    loader = system_actor("system.loader")
    with acting(loader):
        known = set(Participant.objects.values_list("registration_key", flat=True))
    people = _people(loader)
    teams = _prepare(loader, people)
    today = clock.today("Asia/Shanghai")
    ordered = sorted(enumerate(plan), key=lambda pair: -pair[1][1])
    for done, (number, (site, days, status)) in enumerate(ordered, start=1):
        if _key(number) not in known:
            surgery_on = today - dt.timedelta(days=days)
            _participant(teams[site], Site.objects.get(code=site), number, surgery_on, status)
        report(f"{done} of {len(plan)} invented participants")
    incidents.load(people)
    stories.tell(people)
    review.load(people)
    messages.load({site.pk: teams[site.code].coordinator for site in Site.objects.all()})


def _people(loader: User) -> dict[tuple[str, str | None], User]:
    people = {}
    for person in DEMO_PEOPLE:
        known = User.objects.filter(username=person.username).first()
        user = known or create_user(
            actor=loader,
            username=person.username,
            password=PASSPHRASE,
            full_name=person.full_name,
            email=f"{person.username}@hospital.example",
            language=person.language,
        )
        site = Site.objects.filter(code=person.site).first() if person.site else None
        grant(actor=loader, user=user, role=person.role, site=site, reason="joins the trial")
        people[(person.role, person.site)] = user
    return people


def _prepare(loader: User, people: Mapping[tuple[str, str | None], User]) -> dict[str, _Team]:
    _activate(people)
    for site in Site.objects.filter(state="planned"):
        set_state(actor=loader, site=site, state="active", reason="demonstration: approvals complete")
    _staff(people)
    _clinic(people[("pi", "SHGH")], Site.objects.get(code="SHGH"))
    _list(loader)
    return {
        site.code: _Team(people[("coordinator", site.code)], people[("investigator", site.code)])
        for site in Site.objects.all()
    }


def _activate(people: Mapping[tuple[str, str | None], User]) -> None:
    """The newest protocol version at each hospital, under two signatures, a year and a half ago."""
    signed_on = clock.today("Asia/Shanghai") - dt.timedelta(days=540)
    manager = people[("trial_manager", None)]
    with acting(manager):
        version = ProtocolVersion.objects.current()
        lacking = Site.objects.exclude(activations__in=Activation.objects.filter(protocol_version=version))
        sites = list(lacking)
    if version is None:
        raise RuntimeError("Load the protocol first.")
    for site in sites:
        for place, signer in enumerate((people[("pi", site.code)], manager)):
            with clock.pretend(_at(signed_on + dt.timedelta(days=place))):
                sign_activation(
                    actor=signer,
                    site=site,
                    version=version,
                    ethics_approved_on=signed_on - dt.timedelta(days=20),
                    ethics_reference=f"EC-{site.number}-0417",
                    password=PASSPHRASE,
                )
            approve_consent_form(
                actor=manager,
                site=site,
                protocol_version=version,
                version="1.0",
                approved_on=signed_on - dt.timedelta(days=20),
                reference=f"EC-{site.number}-0417",
            )


_TASKS: Final[Mapping[str, Sequence[str]]] = {
    "coordinator": ("consent", "contact", "data", "randomization"),
    "investigator": ("consent", "eligibility", "safety", "surgery"),
    "assessor": ("assessment",),
}


def _staff(people: Mapping[tuple[str, str | None], User]) -> None:
    """Training, delegated tasks and one review of access at each hospital."""
    today = clock.today("Asia/Shanghai")
    manager = people[("trial_manager", None)]
    with acting(manager):
        known = set(AccessReview.objects.values_list("site__code", flat=True))
        sites = [site for site in Site.objects.all() if site.code not in known]
    for site in sites:
        chief = people[("pi", site.code)]
        with clock.pretend(_at(today - dt.timedelta(days=500))):
            for (role, code), user in people.items():
                if code != site.code:
                    continue
                roster.record_training(
                    actor=chief,
                    site=site,
                    user=user,
                    topic="GCP",
                    completed_on=today - dt.timedelta(days=600),
                    evidence=f"{site.number}/4.1",
                )
                if role in _TASKS:
                    roster.delegate(
                        actor=chief, site=site, user=user, tasks=_TASKS[role], password=PASSPHRASE
                    )
        with clock.pretend(_at(today - dt.timedelta(days=40), 15)):
            roster.review_access(actor=manager, site=site, findings="No role too many.", password=PASSPHRASE)


def _clinic(pi: User, site: Site) -> None:
    """One hospital sees participants from Monday to Thursday, and on make-up days."""
    with acting(pi):
        if ClinicDay.objects.filter(site=site).exists():
            return
    openings = [visits.Opening(weekday, dt.time(8, 30), 8) for weekday in (0, 1, 2, 3, 5, 6)]
    visits.set_clinic_days(
        actor=pi, site=site, days=openings, reason="demonstration: timetable of the clinic"
    )


def _list(loader: User) -> None:
    with acting(loader):
        if arms.list_installed(loader):
            return
    version = ProtocolVersion.objects.current()
    if version is None:
        raise RuntimeError("Load the protocol first.")
    definition = version.definition
    document = generation.demo_list(
        trial=definition.id,
        environment=settings.TRIALSITE_ENV,
        strata=[f"site={site.code}" for site in definition.sites],
        arms=(definition.arms[0].code, definition.arms[1].code),
        length=definition.total_cap,
        key=vault.key_from(settings.SEQUENCE_KEY),
    )
    trial.install_list(actor=loader, document=document, version=version)


def _key(number: int) -> str:
    return f"demo-{number:04d}"


def _at(day: dt.date, hour: int = 9) -> dt.datetime:
    """An instant on that day, and never later than now."""
    return min(dt.datetime.combine(day, dt.time(hour - 8, 20), dt.UTC), dt.datetime.now(dt.UTC))


def _participant(team: _Team, site: Site, number: int, surgery_on: dt.date, status: str) -> None:
    """Walk one participant, each step on its own day."""
    consented = surgery_on - dt.timedelta(days=9)
    screened = surgery_on - dt.timedelta(days=6)
    with clock.pretend(_at(consented)):
        participant = services.register(actor=team.coordinator, site=site, registration_key=_key(number))
        if status == "registered":
            return
        services.consent(
            actor=team.coordinator,
            participant=participant,
            form_version="1.0",
            patient_signed_at=_at(consented),
            family_signed_at=_at(consented),
        )
        set_contact(
            actor=team.coordinator,
            participant=participant,
            name=f"演示{number:02d}",
            phone=f"000-0000-{number:04d}",
            email=f"participant{number:02d}@example.org",
            language="zh-hans" if number % 4 else "en",
            contact_consent=True,
        )
        # Invented: no card has these numbers, and nobody is the same person as another.
        record_identity(
            actor=team.coordinator,
            participant=participant,
            name=f"演示{number:02d}",
            birth_date=dt.date(1960, 1, 1) + dt.timedelta(days=number),
            last_digits=f"{number:04d}",
        )
    today = clock.today(site.timezone)
    with clock.pretend(_at(min(screened, today), 10)):
        # One stands without a planned day, so that the pages have that to show.
        if status != "screening":
            planning.plan_surgery(actor=team.coordinator, participant=participant, surgery_on=surgery_on)
        _screen(team, participant, min(screened, today), number, status)
    if status in ("consented", "screening"):
        return
    if status == "screen_failed":
        with clock.pretend(_at(screened, 15)):
            services.fail_screening(actor=team.coordinator, participant=participant, reason="criteria")
        return
    with clock.pretend(_at(min(surgery_on - dt.timedelta(days=3), today), 14)):
        services.sign_eligibility(
            actor=team.investigator, participant=participant, password=PASSPHRASE, surgery_on=surgery_on
        )
    if status == "eligible":
        return
    _baseline(team, participant, surgery_on - dt.timedelta(days=1), number)
    with clock.pretend(_at(surgery_on, 16)):
        services.operate(actor=team.coordinator, participant=participant, values=casebook.surgery(surgery_on))
    if status == "operated":
        return
    _randomize(team, participant, number, surgery_on + dt.timedelta(days=2))
    _follow(team, participant, number)
    _beside(team, participant, number)
    _end(team, participant, status, surgery_on)


def _screen(team: _Team, participant: Participant, day: dt.date, number: int, status: str) -> None:
    forms = casebook.screening(day, number)
    if status == "screening":
        forms = {name: forms[name] for name in ("demographics", "history", "pain")}
    if status == "screen_failed":
        forms["pain"] = dict(casebook.pain(day, 3))
    if "labs" in forms and day < clock.today(participant.site.timezone):
        forms["labs"]["lbtim"] = "07:30"
    if number % 9 == 4 and status != "screening":
        forms["labs"]["plt"] = {"value": "640", "unit": "10^9/L"}
    for form, values in forms.items():
        save_record(
            actor=team.coordinator,
            participant=_again(team, participant),
            event="SCR",
            form=form,
            values=values,
        )


def _baseline(team: _Team, participant: Participant, day: dt.date, number: int) -> None:
    with clock.pretend(_at(day, 10)):
        for form, values in casebook.baseline(day, number).items():
            save_record(
                actor=team.coordinator,
                participant=_again(team, participant),
                event="BL",
                form=form,
                values=values,
            )


def _randomize(team: _Team, participant: Participant, number: int, day: dt.date) -> None:
    with clock.pretend(_at(day, 11)):
        save_record(
            actor=team.investigator,
            participant=_again(team, participant),
            event="RAND",
            form="recheck",
            values=casebook.recheck(day),
        )
        services.randomize(
            actor=team.coordinator, participant=participant, idempotency_key=f"demo-randomize-{number:04d}"
        )


def _follow(team: _Team, participant: Participant, number: int) -> None:
    """Past visits were attended, a few outside their window or missed; the next one is booked."""
    today = clock.today(participant.site.timezone)
    with acting(team.coordinator):
        planned = list(
            Visit.objects.open().filter(participant=participant).select_related("site").order_by("target_on")
        )
    for place, visit in enumerate(planned):
        if visit.closes_on < today - dt.timedelta(days=2):
            _settle(team, participant, visit, number + place)
        elif visit.opens_on <= today + dt.timedelta(days=10) and number % 3:
            _book(team, visit, number)
            return


def _book(team: _Team, visit: Visit, number: int) -> None:
    """On the day that suits best, in a room; a few were moved."""
    with acting(team.coordinator):
        slots = suggest(team.coordinator, [visit], limit=2).get(visit.pk, [])
    staff = team.investigator if number % 2 else None
    for place, slot in enumerate(slots[: 2 if number % 5 == 1 else 1]):
        visits.book(
            actor=team.coordinator,
            visit=visit,
            at=slot.at,
            place=f"{number % 4 + 1}",
            staff=staff,
            reason="the participant asked for another day" if place else "",
        )


def _settle(team: _Team, participant: Participant, visit: Visit, number: int) -> None:
    today = clock.today(participant.site.timezone)
    on = min(visit.closes_on + dt.timedelta(days=1) if number % 11 == 5 else visit.target_on, today)
    with clock.pretend(_at(max(on, visit.opens_on), 15)):
        if number % 13 == 6:
            visits.miss(actor=team.coordinator, visit=visit, reason="could not be reached")
            return
        reason = "" if visit.window.holds(on) else "travel was not possible in time"
        visits.attend(actor=team.coordinator, visit=visit, on=on, reason=reason)
        if visit.code in ("W1", "W2", "W4", "M3", "M6"):
            save_record(
                actor=team.coordinator,
                participant=_again(team, participant),
                event=visit.code,
                form="pain",
                values=casebook.pain(on, max(0, 5 - number % 4)),
            )


def _beside(team: _Team, participant: Participant, number: int) -> None:
    """A few came unscheduled."""
    if number % 7 == 2:
        on = clock.today(participant.site.timezone) - dt.timedelta(days=1)
        visits.unscheduled(
            actor=team.coordinator, participant=participant, on=on, reason="more pain since the weekend"
        )


def _end(team: _Team, participant: Participant, status: str, surgery_on: dt.date) -> None:
    day = surgery_on + dt.timedelta(days=45)
    if status == "dead":
        services.record_death(
            actor=team.coordinator,
            participant=participant,
            values={"dthdat": day.isoformat(), "cause_kind": "tumour", "cause": "progression of the tumour"},
        )
    if status == "completed":
        services.complete(actor=team.coordinator, participant=participant)
    if status == "withdrawn":
        services.withdraw(
            actor=team.coordinator,
            participant=participant,
            values={"wddat": day.isoformat(), "level": "visits", "reason": "moved away"},
        )


def _again(team: _Team, participant: Participant) -> Participant:
    with acting(team.coordinator):
        return Participant.objects.with_protocol().get(pk=participant.pk)
