"""Visits: the only writes."""

from visits.services.booking import book, cancel
from visits.services.days import Opening, complete_year, load_holidays, set_clinic_days, set_holiday
from visits.services.feeds import make_feed, revoke_feed
from visits.services.life import (
    attend,
    attend_planned,
    correct,
    miss,
    redate,
    reopen,
    resume,
    stop,
    unscheduled,
)
from visits.services.reminders import plan_reminders
from visits.services.schedule import bring_back, replan, schedule

__all__ = [
    "Opening",
    "attend",
    "attend_planned",
    "book",
    "bring_back",
    "cancel",
    "complete_year",
    "correct",
    "load_holidays",
    "make_feed",
    "miss",
    "plan_reminders",
    "redate",
    "reopen",
    "replan",
    "resume",
    "revoke_feed",
    "schedule",
    "set_clinic_days",
    "set_holiday",
    "stop",
    "unscheduled",
]
