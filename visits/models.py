"""Visits with their windows and appointments, the days that suit one, and addresses of calendar feeds."""

import datetime as dt
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.staff.capabilities import VISIT_VIEW
from trialsite.staff.querysets import ArmHidingQuerySet, SiteScopedQuerySet
from visits import rules

# What windows count from, in words; a visit that others count from is named by its code.
_ANCHORS: Final = {
    "surgery": _("surgery"),
    "randomization": _("randomization"),
    "end_of_local_treatment": _("end of local treatment"),
}


class LocalDay(models.Func):
    """The date at a hospital, `days` after that of an instant: `LocalDay("site__timezone", Value(instant), days=3)`."""

    template = "(timezone(%(expressions)s)::date + %(days)s)"
    output_field = models.DateField()


class VisitQuerySet(ArmHidingQuerySet["Visit"]):
    """Reads of visits."""

    def open(self) -> "VisitQuerySet":
        """Those that are still to come or to be settled."""
        return self.filter(state__in=rules.OPEN)

    def pressing(self, urgencies: Iterable[rules.Urgency], now: dt.datetime) -> "VisitQuerySet":
        """Open visits that are as pressing as `rules.urgency` says, by the hospital's date at `now`."""
        instant = models.Value(now, models.DateTimeField())
        today, soon = (LocalDay("site__timezone", instant, days=days) for days in (0, rules.CLOSING_DAYS))
        begun, over = Q(opens_on__lte=today), Q(closes_on__lt=today)
        of = {
            "overdue": over,
            "closing": begun & ~over & Q(closes_on__lte=soon),
            "open": begun & Q(closes_on__gt=soon),
            "later": Q(opens_on__gt=today),
        }
        wanted = [of[one] for one in urgencies if one in of]
        return self.open().filter(reduce(or_, wanted)) if wanted else self.none()


class Visit(Base):
    """One visit of one participant, with the window that its anchor gave it."""

    class State(models.TextChoices):
        EXPECTED = "expected", _("expected")
        BOOKED = "booked", _("booked")
        ATTENDED = "attended", _("attended")
        MISSED = "missed", _("missed")
        NOT_EXPECTED = "not_expected", _("not expected")

    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="visits", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    code = models.CharField(_("visit"), max_length=40)
    # Unscheduled visits may be many.
    repeat = models.PositiveSmallIntegerField(_("number"), default=1, db_default=1)
    kind = models.CharField(_("kind"), max_length=20)
    # What the window counts from (surgery, visit:W4, …), and its date; none for an unscheduled visit before surgery.
    anchor = models.CharField(_("counts from"), max_length=50, default="surgery", db_default="surgery")
    anchor_on = models.DateField(_("anchor"), null=True, blank=True)
    target_on = models.DateField(_("target"))
    opens_on = models.DateField(_("opens"))
    closes_on = models.DateField(_("closes"))
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.EXPECTED)
    # Of the window, and of the appointment: what a reminder said holds for one version of what it hangs on.
    plan_version = models.PositiveIntegerField(default=1)
    bookings = models.PositiveIntegerField(default=0)
    appointment_at = models.DateTimeField(_("appointment"), null=True, blank=True)
    place = models.CharField(_("place"), max_length=120, blank=True, db_default="")
    staff = models.ForeignKey(
        "staff.User", models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("with")
    )
    attended_on = models.DateField(_("attended on"), null=True, blank=True)
    in_window = models.BooleanField(_("in window"), null=True)
    # Why it was missed, is not expected any more, lay outside its window, or took place unscheduled.
    reason = models.CharField(_("reason"), max_length=300, blank=True, db_default="")
    reveals_arm = models.BooleanField(default=False)

    objects = VisitQuerySet.as_manager()

    class Meta:
        verbose_name = _("visit")
        verbose_name_plural = _("visits")
        ordering = ["participant", "target_on", "code"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "code", "repeat"], name="visit_once"),
            models.CheckConstraint(
                condition=Q(state__in=sorted(rules.TRANSITIONS)), name="visit_state_known"
            ),
            models.CheckConstraint(
                condition=Q(opens_on__lte=F("target_on"), closes_on__gte=F("target_on")),
                name="visit_window_in_order",
            ),
            models.CheckConstraint(
                condition=Q(state="attended", attended_on__isnull=False)
                | ~Q(state="attended") & Q(attended_on=None),
                name="visit_attended_with_date",
            ),
            models.CheckConstraint(
                condition=Q(kind="unscheduled") | Q(anchor_on__isnull=False),
                name="visit_planned_from_an_anchor",
            ),
            models.CheckConstraint(
                condition=~Q(state="missed") | ~Q(reason=""), name="visit_missed_with_reason"
            ),
            models.CheckConstraint(
                condition=~Q(state="booked") | Q(appointment_at__isnull=False),
                name="visit_booked_with_appointment",
            ),
        ]
        indexes = [
            models.Index(
                fields=["opens_on"], condition=Q(state__in=rules.OPEN), name="visit_open_by_opening"
            ),
            models.Index(
                fields=["closes_on"], condition=Q(state__in=rules.OPEN), name="visit_open_by_closing"
            ),
            models.Index(
                fields=["appointment_at"], condition=Q(state="booked"), name="visit_booked_by_appointment"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.code}"

    @property
    def window(self) -> rules.Window:
        """The days on which it counts as in time."""
        return rules.Window(self.target_on, self.opens_on, self.closes_on)

    @property
    def study_day(self) -> int | None:
        """The study day of its target."""
        return None if self.anchor_on is None else rules.study_day(self.anchor_on, self.target_on)

    @property
    def days_from_anchor(self) -> int | None:
        """Days from its anchor to its target; the study day is one more from the anchor on, since none is 0."""
        return None if self.anchor_on is None else (self.target_on - self.anchor_on).days

    @property
    def anchor_name(self) -> str:
        """What its window counts from, in the reader's language."""
        return str(_ANCHORS.get(self.anchor, self.anchor.removeprefix("visit:")))

    @property
    def course(self) -> rules.Course:
        """What its reminders hang on."""
        return rules.Course(self.opens_on, self.closes_on, self.appointment_at, self.site.timezone)

    def version_for(self, relative_to: str) -> int:
        """The version of what a rule relative to `relative_to` hangs on: the booking's or the window's."""
        return self.bookings if relative_to == "appointment" else self.plan_version


class OfVisitQuerySet(ArmHidingQuerySet[Any]):
    """Reads of the history of visits."""

    capability = VISIT_VIEW


class Appointment(Base):
    """One booking of a visit, as it was made; the newest `number` holds. Without `at` it says that it was cancelled."""

    visit = models.ForeignKey(Visit, models.PROTECT, related_name="appointments", verbose_name=_("visit"))
    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="+", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    number = models.PositiveIntegerField(_("number"))
    at = models.DateTimeField(_("appointment"), null=True, blank=True)
    place = models.CharField(_("place"), max_length=120, blank=True)
    staff = models.ForeignKey(
        "staff.User", models.PROTECT, related_name="+", null=True, blank=True, verbose_name=_("with")
    )
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    made_by = models.ForeignKey("staff.User", models.PROTECT, related_name="+", verbose_name=_("made by"))
    reveals_arm = models.BooleanField(default=False)

    objects = OfVisitQuerySet.as_manager()

    class Meta:
        verbose_name = _("appointment")
        verbose_name_plural = _("appointments")
        ordering = ["visit", "number"]
        constraints = [models.UniqueConstraint(fields=["visit", "number"], name="appointment_once")]

    def __str__(self) -> str:
        return f"{self.visit_id} #{self.number}"


class FormerWindow(Base):
    """A window that a visit had until its anchor was corrected or the protocol changed."""

    visit = models.ForeignKey(Visit, models.PROTECT, related_name="former_windows", verbose_name=_("visit"))
    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="+", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    version = models.PositiveIntegerField(_("version"))
    anchor_on = models.DateField(_("anchor"))
    target_on = models.DateField(_("target"))
    opens_on = models.DateField(_("opens"))
    closes_on = models.DateField(_("closes"))
    reason = models.CharField(_("why it moved"), max_length=300)
    moved_by = models.ForeignKey("staff.User", models.PROTECT, related_name="+", verbose_name=_("moved by"))
    reveals_arm = models.BooleanField(default=False)

    objects = OfVisitQuerySet.as_manager()

    class Meta:
        verbose_name = _("former window")
        verbose_name_plural = _("former windows")
        ordering = ["visit", "version"]
        constraints = [models.UniqueConstraint(fields=["visit", "version"], name="former_window_once")]

    def __str__(self) -> str:
        return f"{self.visit_id} v{self.version}"


class HolidayYear(Base):
    """A year whose official calendar is complete in `Holiday`. Any other year is *unknown*."""

    year = models.PositiveSmallIntegerField(_("year"), unique=True)
    source = models.CharField(_("source"), max_length=200)

    class Meta:
        verbose_name = _("year of the official calendar")
        verbose_name_plural = _("years of the official calendar")
        ordering = ["-year"]

    def __str__(self) -> str:
        return str(self.year)


class Holiday(Base):
    """A day that differs from its weekday: a public holiday, or (`works`) an official make-up working day."""

    day = models.DateField(_("day"), unique=True)
    works = models.BooleanField(_("is worked"))
    name = models.CharField(_("name"), max_length=80)

    class Meta:
        verbose_name = _("day of the official calendar")
        verbose_name_plural = _("days of the official calendar")
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


class ClinicDayQuerySet(SiteScopedQuerySet["ClinicDay"]):
    """Reads of clinic days."""

    capability = VISIT_VIEW


class ClinicDay(Base):
    """A weekday (Monday is 0) on which a hospital sees participants; one without any sees them every working day."""

    site = models.ForeignKey(
        "sites.Site", models.PROTECT, related_name="clinic_days", verbose_name=_("hospital")
    )
    weekday = models.PositiveSmallIntegerField(_("weekday"))
    starts_at = models.TimeField(_("from"), default=dt.time(9))
    capacity = models.PositiveSmallIntegerField(_("appointments at most"), null=True, blank=True)

    objects = ClinicDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("clinic day")
        verbose_name_plural = _("clinic days")
        ordering = ["site", "weekday"]
        constraints = [
            models.UniqueConstraint(fields=["site", "weekday"], name="clinic_day_once"),
            models.CheckConstraint(condition=Q(weekday__lte=6), name="clinic_day_of_the_week"),
            models.CheckConstraint(
                condition=Q(capacity=None) | Q(capacity__gte=1), name="clinic_day_has_room"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.site_id} {self.weekday}"


class Feed(Base):
    """A secret address under which a person's calendar program reads their appointments; only its digest is kept."""

    user = models.ForeignKey("staff.User", models.PROTECT, related_name="+", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=60)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("calendar feed")
        verbose_name_plural = _("calendar feeds")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.user_id} {self.pk}"
