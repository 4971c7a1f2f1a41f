"""Which days suit a visit: official calendar, clinic days and what is booked, read at once for many visits."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from trialsite.audit.context import Actor
from trialsite.core import clock
from visits import rules
from visits.models import ClinicDay, Holiday, HolidayYear, Visit

# Appointments of one day are suggested this far apart, from the beginning of the clinic on.
_APART: Final = dt.timedelta(minutes=30)
_BEGIN: Final = dt.time(9)
_LATEST: Final = dt.time(16, 30)


@dataclass(frozen=True)
class Slot:
    """A suggested appointment. `certain` is False where the year's official calendar is not known."""

    at: dt.datetime
    certain: bool


@dataclass(frozen=True)
class _Hospital:
    clinic: rules.Clinic
    begins: dict[int, dt.time]


def official(first: dt.date, last: dt.date) -> rules.Calendar:
    """The official calendar from `first` to `last`, as far as it is known."""
    years = HolidayYear.objects.filter(year__range=(first.year, last.year)).values_list("year", flat=True)
    days = Holiday.objects.filter(day__range=(first, last)).values_list("day", "works")
    return rules.Calendar(dict(days), frozenset(years))


def suggest(actor: Actor, visits: Sequence[Visit], *, limit: int = 5) -> dict[int, list[Slot]]:
    """For each open visit, by id, the days that suit it best: four queries for any number of visits.

    Of holidays, clinic days and bookings `actor` sees those of the own hospitals, which are those of the visits.
    """
    waiting = [visit for visit in visits if visit.state in rules.OPEN and visit.kind != "unscheduled"]
    if not waiting:
        return {}
    first, last = min(visit.opens_on for visit in waiting), max(visit.closes_on for visit in waiting)
    calendar = official(first, last)
    hospitals = _hospitals(actor, {visit.site_id for visit in waiting})
    booked = _booked(actor, {visit.site_id: visit.site.timezone for visit in waiting}, first, last)
    found = {}
    for visit in waiting:
        zone, hospital = visit.site.timezone, hospitals[visit.site_id]
        days = rules.suggestions(
            target=visit.target_on,
            opens=visit.opens_on,
            closes=visit.closes_on,
            earliest=clock.today(zone) + dt.timedelta(days=1),
            calendar=calendar,
            clinic=hospital.clinic,
            booked=booked[visit.site_id],
        )
        found[visit.pk] = [
            Slot(_time(one.day, hospital, booked[visit.site_id][one.day], zone), one.certain)
            for one in days[:limit]
        ]
    return found


def _hospitals(actor: Actor, sites: set[int]) -> dict[int, _Hospital]:
    rows: dict[int, list[ClinicDay]] = defaultdict(list)
    for day in ClinicDay.objects.visible_to(actor).filter(site_id__in=sites):
        rows[day.site_id].append(day)
    return {
        site: _Hospital(
            rules.Clinic({day.weekday: day.capacity for day in rows[site]}),
            {day.weekday: day.starts_at for day in rows[site]},
        )
        for site in sites
    }


def _booked(
    actor: Actor, zones: dict[int, str], first: dt.date, last: dt.date
) -> dict[int, Counter[dt.date]]:
    """How many appointments each hospital has on each local day."""
    day = dt.timedelta(days=1)
    since = dt.datetime.combine(first - day, dt.time(), dt.UTC)
    until = dt.datetime.combine(last + 2 * day, dt.time(), dt.UTC)
    rows = Visit.objects.visible_to(actor).filter(
        state=Visit.State.BOOKED, site_id__in=zones, appointment_at__range=(since, until)
    )
    counted: dict[int, Counter[dt.date]] = {site: Counter() for site in zones}
    times: Iterable[tuple[int, dt.datetime | None]] = rows.values_list("site_id", "appointment_at")
    for site, at in times:
        if at is not None:
            counted[site][clock.local_date(at, zones[site])] += 1
    return counted


def _time(day: dt.date, hospital: _Hospital, booked: int, zone: str) -> dt.datetime:
    """The clinic's beginning, half an hour later for each appointment of that day, as long as the day lasts."""
    begins = dt.datetime.combine(day, hospital.begins.get(day.weekday(), _BEGIN), ZoneInfo(zone))
    latest = dt.datetime.combine(day, _LATEST, ZoneInfo(zone))
    return max(begins, min(begins + booked * _APART, latest))
