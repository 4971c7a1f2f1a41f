"""Visits: the only writes."""

from visits.services.booking import book
from visits.services.life import attend, miss, stop
from visits.services.reminders import plan_reminders
from visits.services.schedule import schedule

__all__ = ["attend", "book", "miss", "plan_reminders", "schedule", "stop"]
