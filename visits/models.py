"""Scheduled visits."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.staff.querysets import ArmHidingQuerySet
from visits import rules


class VisitQuerySet(ArmHidingQuerySet["Visit"]):
    """Reads of visits."""

    def open(self) -> "VisitQuerySet":
        """Those that are still to come or to be settled."""
        return self.filter(state__in=rules.OPEN)


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
    kind = models.CharField(_("kind"), max_length=20)
    anchor_on = models.DateField(_("anchor"))
    target_on = models.DateField(_("target"))
    opens_on = models.DateField(_("opens"))
    closes_on = models.DateField(_("closes"))
    state = models.CharField(_("state"), max_length=20, choices=State.choices, default=State.EXPECTED)
    # Of the window, and of the appointment: what a reminder said holds for one version of what it hangs on.
    plan_version = models.PositiveIntegerField(default=1)
    bookings = models.PositiveIntegerField(default=0)
    appointment_at = models.DateTimeField(_("appointment"), null=True, blank=True)
    attended_on = models.DateField(_("attended on"), null=True, blank=True)
    in_window = models.BooleanField(_("in window"), null=True)
    reveals_arm = models.BooleanField(default=False)

    objects = VisitQuerySet.as_manager()

    class Meta:
        verbose_name = _("visit")
        verbose_name_plural = _("visits")
        ordering = ["participant", "target_on", "code"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "code"], name="visit_once"),
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
    def course(self) -> rules.Course:
        """What its reminders hang on."""
        return rules.Course(self.opens_on, self.closes_on, self.appointment_at, self.site.timezone)

    def version_for(self, relative_to: str) -> int:
        """The version of what a rule relative to `relative_to` hangs on: the booking's or the window's."""
        return self.bookings if relative_to == "appointment" else self.plan_version
