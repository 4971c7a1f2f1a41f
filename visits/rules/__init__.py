"""Windows, the life of a visit, and which reminder speaks when: pure, without Django, clock or I/O."""

from visits.rules.life import LEFT, OPEN, TRANSITIONS, Urgency, urgency
from visits.rules.reminders import (
    QUIET_FROM,
    QUIET_UNTIL,
    Course,
    Rule,
    moment,
    quiet_until,
    speaking,
    speaks,
)
from visits.rules.windows import Window, study_day, window

__all__ = [
    "LEFT",
    "OPEN",
    "QUIET_FROM",
    "QUIET_UNTIL",
    "TRANSITIONS",
    "Course",
    "Rule",
    "Urgency",
    "Window",
    "moment",
    "quiet_until",
    "speaking",
    "speaks",
    "study_day",
    "urgency",
    "window",
]
