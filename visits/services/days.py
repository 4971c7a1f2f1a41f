"""The official calendar and the hospitals' clinic days."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chinese_calendar import constants as library
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from trialsite.audit.context import acting
from trialsite.sites.models import Site
from trialsite.staff.access import require, require_everywhere
from trialsite.staff.capabilities import CLINIC_MANAGE, HOLIDAY_MANAGE
from trialsite.staff.models import User
from visits.errors import BadDate
from visits.models import ClinicDay, Holiday, HolidayYear
from visits.services.locking import need_reason

_FIRST_YEAR: Final = 2024
# The library's names, for the translators.
_NAMES: Final = (
    gettext_noop("New Year's Day"),
    gettext_noop("Spring Festival"),
    gettext_noop("Tomb-sweeping Day"),
    gettext_noop("Labour Day"),
    gettext_noop("Dragon Boat Festival"),
    gettext_noop("Mid-autumn Festival"),
    gettext_noop("National Day"),
)


@dataclass(frozen=True)
class Opening:
    """A weekday of a hospital's clinic (Monday is 0): from when, and for how many at most (None: no limit)."""

    weekday: int
    starts_at: dt.time = dt.time(9)
    capacity: int | None = None


def load_holidays(*, actor: User) -> int:
    """Bring in the years that the library knows and the table does not; corrections stay. Returns how many days."""
    with acting(actor):
        require_everywhere(actor, HOLIDAY_MANAGE)
        differing = {day: (False, name) for day, name in library.holidays.items()}
        differing |= {day: (True, name) for day, name in library.workdays.items()}
        known = set(HolidayYear.objects.values_list("year", flat=True))
        fresh = {day.year for day in differing if day.year >= _FIRST_YEAR} - known
        days = [
            Holiday(day=day, works=works, name=name)
            for day, (works, name) in sorted(differing.items())
            if day.year in fresh
        ]
        # A day that somebody entered before the year was known stays as it was entered.
        made = Holiday.objects.bulk_create(days, ignore_conflicts=True)
        HolidayYear.objects.bulk_create(
            HolidayYear(year=year, source="chinesecalendar: notices of the State Council")
            for year in sorted(fresh)
        )
        return len(made)


def set_holiday(*, actor: User, day: dt.date, works: bool, name: str, reason: str) -> Holiday:
    """Enter or correct a day of the official calendar; `works` is False for a holiday. Suggestions follow at once."""
    with acting(actor, reason=reason):
        require_everywhere(actor, HOLIDAY_MANAGE)
        need_reason(reason)
        if not name.strip():
            raise BadDate(fields={"name": [_("Give the day a name.")]})
        made, _created = Holiday.objects.update_or_create(
            day=day, defaults={"works": works, "name": name.strip()}
        )
        return made


def complete_year(*, actor: User, year: int, source: str) -> HolidayYear:
    """Declare that the official calendar of `year` is complete: until then its days are *unknown*."""
    with acting(actor, reason=source):
        require_everywhere(actor, HOLIDAY_MANAGE)
        if not Holiday.objects.filter(day__year=year, works=False).exists():
            raise BadDate(fields={"year": [_("Enter the holidays of this year first.")]})
        if not source.strip():
            raise BadDate(fields={"source": [_("Name the official notice.")]})
        made, _created = HolidayYear.objects.get_or_create(year=year, defaults={"source": source.strip()})
        return made


def set_clinic_days(*, actor: User, site: Site, days: Sequence[Opening], reason: str) -> list[ClinicDay]:
    """Replace the weekdays on which a hospital sees participants; none means every working day."""
    with acting(actor, reason=reason):
        require(actor, CLINIC_MANAGE, site=site)
        need_reason(reason)
        weekdays = [day.weekday for day in days]
        if len(set(weekdays)) != len(weekdays) or not all(0 <= weekday <= 6 for weekday in weekdays):
            raise BadDate(fields={"days": [_("Name each weekday once.")]})
        if any(day.capacity is not None and day.capacity < 1 for day in days):
            raise BadDate(fields={"days": [_("A clinic day has room for at least one.")]})
        locked = Site.objects.select_for_update().get(pk=site.pk)
        ClinicDay.objects.filter(site=locked).exclude(weekday__in=weekdays).delete()
        for day in days:
            ClinicDay.objects.update_or_create(
                site=locked,
                weekday=day.weekday,
                defaults={"starts_at": day.starts_at, "capacity": day.capacity},
            )
        return list(ClinicDay.objects.filter(site=locked))
