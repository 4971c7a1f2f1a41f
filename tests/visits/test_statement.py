"""The planning statement against the pure rule, for every visit at any instant."""

import datetime as dt
import json
import random
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import PASSWORD, ROOT, activate, make_person
from tests.visits.conftest import ANCHOR, shanghai
from trialsite.audit.context import acting
from trialsite.core import clock
from trialsite.enrollment.services import register
from trialsite.outbox.models import Message
from trialsite.participants.models import Participant
from trialsite.participants.services import move, set_contact
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.services import load
from trialsite.sites.models import Site
from trialsite.sites.services import sign_activation
from trialsite.staff.models import User
from visits import rules, services
from visits.models import Visit

WRITTEN = shanghai("2027-02-01 09:00")


# Zones as far from UTC as there are, one with half an hour and daylight saving; far from the trial's own.
FAR = {"SHGH": "Asia/Shanghai", "SMU3": "Pacific/Kiritimati", "PKUPH": "America/St_Johns"}
# A second version of the protocol whose rules touch what the trial's own do not: opening days after the opening, the
# closing day itself, the day of the appointment, two rules for one audience at one moment, midnight.
ODD = [
    ("opening_late", "coordinator", "opens", 2, "23:59"),
    ("opening_far", "coordinator", "opens", -30, "00:00"),
    ("closing_day", "coordinator", "closes", 0, "00:00"),
    ("same_moment", "coordinator", "opens", 0, "08:30"),
    ("same_moment_too", "coordinator", "opens", 0, "08:30"),
    ("that_morning", "participant", "appointment", 0, "08:00"),
    ("month_before", "participant", "appointment", -30, "20:59"),
    ("participant_opening", "participant", "opens", 1, "12:00"),
    ("next_minute", "pi", "closes", 1, "00:00"),
    ("pi_early", "pi", "closes", -1, "17:00"),
    ("manager_of_appointments", "trial_manager", "appointment", -2, "10:00"),
    ("quarter_late", "trial_manager", "closes", 90, "10:00"),
]


@pytest.fixture
def odd_version(loader, tmp_path):
    """Loads the second version; who is registered after belongs to it."""

    def odd_version() -> ProtocolVersion:
        folder = tmp_path / "odd"
        shutil.copytree(ROOT / "protocols" / "nct06756087", folder)
        trial = (folder / "protocol.yaml").read_text(encoding="utf-8")
        (folder / "protocol.yaml").write_text(
            trial.replace('version: "1.0"', 'version: "odd"'), encoding="utf-8"
        )
        text = {"en": "On {date}.", "zh": "于 {date}。"}
        names = ("kind", "audience", "relative_to", "offset_days", "at")
        reminders = [
            dict(zip(names, rule, strict=True)) | {"channel": "email", "subject": text, "body": text}
            for rule in ODD
        ]
        (folder / "reminders.yaml").write_text(json.dumps(reminders), encoding="utf-8")
        return load(actor=loader, folder=folder)

    return odd_version


class Everywhere:
    """Three hospitals with people, two versions, participants in every status, visits in every state."""

    def __init__(self, chance: random.Random, odd_version: Any) -> None:
        self.chance = chance
        self.sites = {code: activate(code) for code in FAR}
        self.staff = {
            ("coordinator", site.pk): {
                make_person("coordinator", site).pk,
                make_person("coordinator", site).pk,
            }
            for site in self.sites.values()
        } | {("pi", site.pk): {make_person("pi", site).pk} for site in self.sites.values()}
        self.managers = {make_person("trial_manager").pk, make_person("trial_manager").pk}
        self.hands = {
            site.pk: User.objects.get(pk=min(self.staff["coordinator", site.pk]))
            for site in self.sites.values()
        }
        self.reachable: set[int] = set()
        people = [self._participant(number) for number in range(24)]
        self._activate(odd_version())
        people += [self._participant(number) for number in range(24, 48)]
        with clock.pretend(WRITTEN):
            for participant in people:
                self._visits(participant)
            for participant in people:
                self._status(participant)

    def _activate(self, version: ProtocolVersion) -> None:
        """Both sides sign at each hospital; who is registered after belongs to it."""
        manager = User.objects.get(pk=min(self.managers))
        for site in self.sites.values():
            (pi,) = self.staff["pi", site.pk]
            for signer in (User.objects.get(pk=pi), manager):
                sign_activation(
                    actor=signer,
                    site=site,
                    version=version,
                    ethics_approved_on=dt.date(2026, 1, 5),
                    ethics_reference="EC-odd",
                    password=PASSWORD,
                )

    def _participant(self, number: int) -> Participant:
        site = self.sites[("SHGH", "SMU3", "PKUPH")[number % 3]]
        hand = self.hands[site.pk]
        participant = register(actor=hand, site=site, registration_key=f"everywhere-{number}")
        kind = self.chance.choice(["none", "opted out", "told", "told"])
        if kind != "none":
            set_contact(
                actor=hand,
                participant=participant,
                name="",
                phone="",
                email="p@patients.example",
                language="en",
                contact_consent=True,
                opted_out=kind == "opted out",
            )
        if kind == "told":
            self.reachable.add(participant.pk)
        return participant

    def _visits(self, participant: Participant) -> None:
        hand, chance = self.hands[participant.site_id], self.chance
        definition = participant.protocol_version.definition
        anchor = ANCHOR + dt.timedelta(days=chance.randint(-90, 200))
        for visit in services.schedule(
            actor=hand, participant=participant, anchors={"surgery": anchor}, visits=definition.visits
        ):
            for _ in range(chance.choice([0, 0, 1, 1, 2])):
                day = dt.datetime.combine(visit.target_on, dt.time(chance.randint(0, 23), 30), dt.UTC)
                at = day + dt.timedelta(days=chance.randint(-20, 20))
                # The randomization is no appointment.
                if at > WRITTEN and visit.code != "RAND":
                    services.book(actor=hand, visit=visit, at=at, reason="moved")
            end = chance.choice([*["open"] * 6, "attend", "miss"])
            if end == "attend" and visit.target_on <= WRITTEN.date() and not visit.reveals_arm:
                services.attend(actor=hand, visit=visit, on=visit.target_on, allocated=visit.code == "RAND")
            elif end == "miss" and visit.opens_on < WRITTEN.date():
                services.miss(actor=hand, visit=visit, reason="unknown", forgone=visit.code == "RAND")

    def _status(self, participant: Participant) -> None:
        hand = self.hands[participant.site_id]
        end = self.chance.choice(["", "", "", "", "withdrawn", "dead"])
        if end:
            move(actor=hand, participant=participant, to=end)

    def recipients(self, audience: str, visit: Visit) -> set[str]:
        """Whom a rule for `audience` reaches: told from what was put in, not from the tables."""
        if audience == "participant":
            here = visit.participant_id in self.reachable
            return {f"participant:{visit.participant_id}"} if here else set()
        users = self.managers if audience == "trial_manager" else self.staff[audience, visit.site_id]
        return {f"user:{pk}" for pk in users}

    def expected(self, visits: list[Visit], now: dt.datetime) -> set[str]:
        """The keys that must stand in the outbox after planning at `now`, by the pure rule."""
        keys = set()
        for visit in visits:
            if visit.state not in ("expected", "booked"):
                continue
            if visit.participant.status in ("withdrawn", "dead"):
                continue
            reminders = visit.participant.protocol_version.definition.reminders
            for audience, rule in rules.speaking(reminders, visit.course, now).items():
                version = visit.bookings if rule.relative_to == "appointment" else visit.plan_version
                keys |= {
                    f"visit:{visit.pk}:{rule.kind}:{version}:{recipient}:{rule.channel}"
                    for recipient in self.recipients(audience, visit)
                }
        return keys

    def instants(self, visits: list[Visit]) -> Iterator[dt.datetime]:
        """Instants at which something may change, to the microsecond before and after, and a few others."""
        edges = [visit.appointment_at for visit in self.chance.sample(visits, 20) if visit.appointment_at]
        edges += [WRITTEN + dt.timedelta(minutes=self.chance.randint(0, 700_000)) for _ in range(10)]
        for version in {visit.participant.protocol_version for visit in visits}:
            here = [visit for visit in visits if visit.participant.protocol_version == version]
            for rule in version.definition.reminders:
                moments = [rules.moment(rule, visit.course) for visit in self.chance.sample(here, 30)]
                edges += [moment for moment in moments if moment][:4]
        self.chance.shuffle(edges)
        for edge in edges:
            yield edge + self.chance.choice([-1, 0, 0, 1]) * dt.timedelta(microseconds=1)


@pytest.mark.django_db
def test_the_statement_plans_what_the_pure_rule_says_for_every_visit_at_every_instant(
    planner, loader, odd_version
):
    chance = random.Random(6)
    with acting(loader):
        for code, zone in FAR.items():
            Site.objects.filter(code=code).update(timezone=zone)
    everywhere = Everywhere(chance, odd_version)
    with acting(planner):
        visits = list(Visit.objects.select_related("site", "participant__protocol_version"))
    assert {visit.state for visit in visits} >= {"expected", "booked", "attended"}
    said: set[str] = set()
    for now in everywhere.instants(visits):
        expected = said | everywhere.expected(visits, now)
        new = services.plan_reminders(actor=planner, now=now)
        with acting(planner):
            keys = set(Message.objects.values_list("key", flat=True))
        assert keys == expected, (now, sorted(keys ^ expected)[:5])
        assert new == len(expected - said)
        said = expected
    kinds = {key.split(":")[2] for key in said}
    assert {kind for kind, *_ in ODD} - kinds == {"same_moment"}, "of one moment the last rule speaks"
    assert len(said) > 300
