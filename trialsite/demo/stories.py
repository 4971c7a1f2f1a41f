"""What happens to a few of the invented participants, so that each page of their hospital has something to show.

Each story is told once: it looks first whether it has been told, and is left out where nobody fits it.
"""

import datetime as dt
from collections.abc import Mapping

from randomization import arms
from trialsite.audit.context import acting
from trialsite.casebook import limits
from trialsite.casebook.models import NormalLimit, Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo import casebook
from trialsite.enrollment import breaches, services, treatment
from trialsite.participants import services as participants
from trialsite.participants.models import Consent, ConsentForm, Participant, Transfer, Withdrawal
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.models import User
from visits.models import Visit

People = Mapping[tuple[str, str | None], User]
# Upper limits of normal as two laboratories could report them: item, unit, limit, limit for women where it differs.
_LIMITS = (
    ("ast", "U/L", "40", ""),
    ("alt", "U/L", "50", "40"),
    ("bili", "µmol/L", "21", ""),
    ("creat", "µmol/L", "104", "84"),
)


def tell(people: People) -> None:
    """All of them, in the order in which later ones need earlier ones."""
    with acting(people[("trial_manager", None)]):
        sites = list(Site.objects.all())
    for site in sites:
        _limits(people[("pi", site.code)], site)
    _breach(people, "SHGH")
    _end_of_treatment(people, "SHGH")
    _withdrawals(people, "SHGH")
    _rescreening(people, "SHGH")
    _amended_form(people, "PKUPH")
    _transfer(people, "SMU3", "PKUPH")


def _who(actor: User, site: str, status: str) -> list[Participant]:
    with acting(actor):
        return list(
            Participant.objects.with_protocol().filter(site__code=site, status=status).order_by("code")
        )


def _limits(chief: User, site: Site) -> None:
    """The laboratory's limits, with those of women where they differ."""
    with acting(chief):
        version = ProtocolVersion.objects.current()
        if version is None or NormalLimit.objects.filter(site=site).exists():
            return
    since = clock.today(site.timezone) - dt.timedelta(days=700)
    for item, unit, limit, women in _LIMITS:
        for sex, value in (("", limit), *((("female", women),) if women else ())):
            limits.enter(
                actor=chief,
                site=site,
                definition=version.definition,
                form="labs",
                item=item,
                value=value,
                unit=unit,
                valid_from=since,
                source=f"LAB-{site.number}/2",
                sex=sex,
            )


def _breach(people: People, site: str) -> None:
    """A score was misread at screening: found long after surgery, once recorded as a deviation and once still to be."""
    coordinator = people[("coordinator", site)]
    found = _who(coordinator, site, "randomized")[:2]
    with acting(coordinator):
        if Record.objects.filter(site__code=site, event="SCR", form="pain", version__gt=1).exists():
            return
    for place, one in enumerate(found):
        with acting(coordinator):
            record = Record.objects.get(participant=one, event="SCR", form="pain")
            day = record.observed_on
        if day is None:
            continue
        save_record(
            actor=coordinator,
            participant=one,
            event="SCR",
            form="pain",
            values=casebook.pain(day, 3),
            expected_version=record.version,
            reason="the source says 3, not 8",
        )
        if place == 0:
            breaches.record(
                actor=coordinator,
                participant=one,
                criterion="I5",
                why="the score was misread at screening",
                action="training repeated",
            )


def _end_of_treatment(people: People, site: str) -> None:
    """Someone of the arm with SBRT had all four fractions, the last of them late."""
    coordinator = people[("coordinator", site)]
    with acting(coordinator):
        if Record.objects.filter(site__code=site, form="sbrt_end").exists():
            return
        own = arms.visible_to(coordinator).filter(arm="RFA_PVP_SBRT").values("participant_id")
        begun = (
            Visit.objects.filter(participant__in=own, site__code=site, code="SBRT", state="attended")
            .filter(participant__status="randomized")
            .order_by("participant__code")
            .first()
        )
        if begun is None or begun.attended_on is None:
            return
        one = Participant.objects.with_protocol().get(pk=begun.participant_id)
    first = begun.attended_on
    services.start_treatment(actor=coordinator, participant=one, values=casebook.sbrt(first))
    for number, day in enumerate((0, 3, 7, 16), start=1):
        save_record(
            actor=coordinator,
            participant=one,
            event="SBRT",
            form="fraction",
            repeat=number,
            values={
                "ecdat": (first + dt.timedelta(days=day)).isoformat(),
                "number": number,
                "dose": "6",
                "toxicity": 0 if number < 3 else 1,
                "interrupted": False,
            },
        )
    treatment.end(
        actor=coordinator,
        participant=one,
        values={
            "endat": (first + dt.timedelta(days=16)).isoformat(),
            "completed": True,
            "reason": "the machine was down for a week",
        },
    )


def _withdrawals(people: People, site: str) -> None:
    """One goes on with the visits but wants no treatment any more; another wants no data used from now on."""
    coordinator = people[("coordinator", site)]
    today = clock.today("Asia/Shanghai")
    candidates = _who(coordinator, site, "randomized")[:0:-1]
    for one, level in zip(candidates, ("treatment", "data"), strict=False):
        with acting(coordinator):
            told = Withdrawal.objects.filter(site__code=site, level=level).exists()
        if not told:
            services.withdraw(
                actor=coordinator,
                participant=one,
                values={"wddat": today.isoformat(), "level": level, "reason": "the family's wish"},
            )


def _rescreening(people: People, site: str) -> None:
    """A screen failure comes again when the pain has grown."""
    coordinator = people[("coordinator", site)]
    for one in _who(coordinator, site, "screen_failed")[:1]:
        with acting(coordinator):
            if Participant.objects.filter(previous=one).exists():
                return
        again = services.rescreen(
            actor=coordinator, participant=one, registration_key=f"demo-again-{one.code}"
        )
        now = clock.now() - dt.timedelta(hours=3)
        services.consent(
            actor=coordinator,
            participant=again,
            form_version="1.0",
            patient_signed_at=now,
            family_signed_at=now,
            obtained_by=people[("investigator", site)],
        )


def _amended_form(people: People, site: str) -> None:
    """A newer form is approved: one has signed it, the others owe it."""
    manager, coordinator = people[("trial_manager", None)], people[("coordinator", site)]
    with acting(manager):
        version = ProtocolVersion.objects.current()
        here = Site.objects.get(code=site)
        if version is None or ConsentForm.objects.filter(site=here, version="1.1").exists():
            return
    participants.approve_consent_form(
        actor=manager,
        site=here,
        protocol_version=version,
        version="1.1",
        approved_on=clock.today(here.timezone) - dt.timedelta(days=10),
        reference=f"EC-{here.number}-0588",
    )
    for one in _who(coordinator, site, "randomized")[:1]:
        with acting(coordinator):
            if Consent.objects.filter(participant=one, form_version="1.1").exists():
                return
        at = clock.now() - dt.timedelta(days=2)
        services.reconsent(
            actor=coordinator,
            participant=one,
            form_version="1.1",
            patient_signed_at=at,
            family_signed_at=at,
            obtained_by=people[("investigator", site)],
        )


def _transfer(people: People, old: str, new: str) -> None:
    """Someone moves to another town; code, arm and stratum stay."""
    manager = people[("trial_manager", None)]
    with acting(manager):
        if Transfer.objects.exists():
            return
        to = Site.objects.get(code=new)
    for one in _who(manager, old, "randomized")[-1:]:
        participants.transfer(actor=manager, participant=one, to=to, reason="the family has moved to Beijing")
