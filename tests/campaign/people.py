"""The people of the campaign over messages: a coordinator, participants with booked and open visits, their ends."""

import datetime as dt
import random
import threading
import time
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo


def zone_at_noon() -> str:
    """A zone whose clock shows noon or so: no quiet hours for the length of the run."""
    offset = 12 - dt.datetime.now(dt.UTC).hour
    return f"Etc/GMT{-offset:+d}" if offset else "UTC"


class People:
    """A hospital with one coordinator and participants, half of whom prefer texts, with booked and with open visits."""

    def __init__(self, messages: int) -> None:
        from tests.conftest import activate, make_person
        from trialsite.audit.context import acting
        from trialsite.enrollment.services import register
        from trialsite.outbox.services import set_preference
        from trialsite.sites.models import Site
        from trialsite.staff.models import system_actor

        self.site = activate("SHGH")
        with acting(system_actor("system.loader")):
            Site.objects.filter(pk=self.site.pk).update(timezone=zone_at_noon())
        self.site.refresh_from_db()
        self.coordinator = make_person("coordinator", self.site)
        set_preference(actor=self.coordinator, kind="digest", wanted=False)
        each = max(10, min(200, messages // 40))
        self.participants = []
        for number in range(-(-messages // each)):
            one = register(actor=self.coordinator, site=self.site, registration_key=f"campaign-{number:06d}")
            self.contact(one, number)
            self.participants.append(one)
        self._visits(each)

    def contact(self, participant: Any, number: int, **changes: Any) -> None:
        from trialsite.participants.services import set_contact

        values: dict[str, Any] = {
            "name": f"Invented {number}",
            "phone": f"139{number:08d}",
            "email": f"p{number}@patients.example",
            "language": "en",
            "channel": "sms" if number % 2 else "email",
            "contact_consent": True,
            "reason": "as they told us",
        }
        set_contact(actor=self.coordinator, participant=participant, **values | changes)

    def _visits(self, each: int) -> None:
        """Most are booked for tomorrow; those of the protocol's series open today and wait for a booking.

        The invented codes of the others stand in no message to a participant.
        """
        from trialsite.audit.context import acting
        from trialsite.core import clock
        from visits.models import Visit

        today = clock.today(self.site.timezone)
        later = today + dt.timedelta(days=5)
        tomorrow = dt.datetime.combine(
            today + dt.timedelta(days=1), dt.time(15), ZoneInfo(self.site.timezone)
        )
        visits = self.participants[0].protocol_version.definition.visits
        series = [visit.code for visit in visits if visit.kind == "series"][: each // 4]
        for participant in self.participants:
            rows = []
            for number in range(each):
                booked = number >= len(series)
                rows.append(
                    Visit(
                        participant=participant,
                        site=self.site,
                        code=f"X{number}" if booked else series[number],
                        kind="series",
                        anchor_on=today - dt.timedelta(days=30),
                        target_on=later,
                        opens_on=today,
                        closes_on=later + dt.timedelta(days=5),
                        state="booked" if booked else "expected",
                        appointment_at=tomorrow if booked else None,
                        bookings=int(booked),
                    )
                )
            with acting(self.coordinator):
                Visit.objects.bulk_create(rows)


def again(work: Callable[[], Any]) -> None:
    """`work`, until the database lets it through."""
    from django.db import InterfaceError, OperationalError, connection

    for _ in range(200):
        try:
            work()
            return
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(0.1)
    raise AssertionError("the database did not come back")


def live_and_die(people: People, stop: threading.Event, pause: float, chance: random.Random) -> None:
    """Every `pause` seconds one participant dies, withdraws or opts out, through the services: half of them at most."""
    from django.db import connections

    from trialsite.participants.services import move

    alive = list(enumerate(people.participants))
    chance.shuffle(alive)
    try:
        while len(alive) > len(people.participants) / 2 and not stop.wait(pause):
            number, participant = alive.pop()
            end = chance.choice(["dead", "withdrawn", "opted out"])
            if end == "opted out":
                again(lambda n=number, p=participant: people.contact(p, n, opted_out=True))  # type: ignore[misc]
            else:
                again(lambda p=participant, to=end: move(actor=people.coordinator, participant=p, to=to))  # type: ignore[misc]
    finally:
        connections.close_all()
