"""Windows, the life of a visit, days that suit, and which reminder speaks when: pure, no Django, clock or I/O."""

from visits.rules.holidays import Calendar, Clinic, Suggestion, suggestions
from visits.rules.life import CLOSING_DAYS, LEFT, OPEN, TRANSITIONS, Urgency, urgency
from visits.rules.reminders import (
    QUIET_FROM,
    QUIET_UNTIL,
    Course,
    Rule,
    moment,
    quiet_until,
    speaking,
    speaks,
    ways,
)
from visits.rules.windows import Breach, Candidate, Window, breaches, counting, study_day, window

__all__ = [
    "CLOSING_DAYS",
    "LEFT",
    "OPEN",
    "QUIET_FROM",
    "QUIET_UNTIL",
    "TRANSITIONS",
    "Breach",
    "Calendar",
    "Candidate",
    "Clinic",
    "Course",
    "Rule",
    "Suggestion",
    "Urgency",
    "Window",
    "breaches",
    "counting",
    "moment",
    "quiet_until",
    "speaking",
    "speaks",
    "study_day",
    "suggestions",
    "urgency",
    "ways",
    "window",
]
