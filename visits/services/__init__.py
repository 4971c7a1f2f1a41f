"""Visits: the only writes."""

from visits.services.booking import book, cancel
from visits.services.life import attend, miss, stop, unscheduled
from visits.services.reminders import plan_reminders
from visits.services.schedule import replan, schedule

__all__ = ["attend", "book", "cancel", "miss", "plan_reminders", "replan", "schedule", "stop", "unscheduled"]
