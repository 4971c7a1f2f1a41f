"""Records and queries."""

import datetime as dt
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from trialsite.core import clock
from trialsite.core.models import Base
from trialsite.staff.querysets import ArmHidingQuerySet, SiteScopedQuerySet

# Of one form at one event.
MOST_RECORDS: Final = 9999


class RecordQuerySet(ArmHidingQuerySet["Record"]):
    """Reads of records."""

    def begun(self) -> "RecordQuerySet":
        """Without those that hold nothing: drafts begun by mistake and emptied again, which nobody waits for."""
        return self.exclude(state="draft", once_complete=False, data={})


class Record(Base):
    """One form of one participant at one event. `data` maps each item to its entry as `rules.read_values` stores it.

    `once_complete`: a draft that had been complete before it was brought over to an amended form; it still changes with
    a reason only.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        COMPLETE = "complete", _("complete")

    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="records", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    protocol_version = models.ForeignKey("protocol.ProtocolVersion", models.PROTECT, related_name="+")
    event = models.CharField(_("event"), max_length=40)
    form = models.CharField(_("form"), max_length=40)
    repeat = models.PositiveIntegerField(_("number"), default=1)
    data = models.JSONField(_("values"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    once_complete = models.BooleanField(_("had been complete"), default=False, db_default=False)
    version = models.PositiveIntegerField(_("version"), default=1)
    observed_on = models.DateField(_("date"), null=True)
    reveals_arm = models.BooleanField(default=False)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("saved by")
    )
    updated_at = models.DateTimeField(_("saved at"), default=clock.now)

    objects = RecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("record")
        verbose_name_plural = _("records")
        ordering = ["participant", "event", "form", "repeat"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "event", "form", "repeat"], name="record_once"),
            models.CheckConstraint(condition=Q(state__in=["draft", "complete"]), name="record_state_known"),
            models.CheckConstraint(
                condition=Q(version__gte=1, repeat__gte=1, repeat__lte=MOST_RECORDS),
                name="record_counts_from_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.event} {self.form} {self.repeat}"

    @property
    def needs_reason(self) -> bool:
        """Whether a change of it is told with a reason: somebody has said that it was complete."""
        return self.state == self.State.COMPLETE or self.once_complete

    @property
    def holds_nothing(self) -> bool:
        """Whether it is a draft that was emptied again."""
        return not (self.data or self.needs_reason)


# When a query was asked, or last asked again.
ASKED_AT: Final = Coalesce(
    models.Max("thread__created_at", filter=Q(thread__act="reopen")), models.F("created_at")
)


class QueryQuerySet(ArmHidingQuerySet["Query"]):
    """Reads of queries."""

    def open(self) -> "QueryQuerySet":
        """Those that wait for someone: for an answer, or for the answer to be read."""
        return self.exclude(state="closed")

    def waiting_since(self, instant: dt.datetime) -> "QueryQuerySet":
        """Those that wait for the hospital, and were asked, or last asked again, before `instant`."""
        return self.filter(state="open").annotate(asked_at=ASKED_AT).filter(asked_at__lt=instant)


class Query(Base):
    """A question about an entry, from a check or from a person.

    One from a check closes when the entry is mended. `entry` is what was asked about: a person who closes such a query
    accepts that entry, and it is not asked about again until it changes.
    """

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ANSWERED = "answered", _("answered")
        CLOSED = "closed", _("closed")

    class Origin(models.TextChoices):
        CHECK = "check", _("check")
        PERSON = "person", _("person")

    record = models.ForeignKey(Record, models.PROTECT, related_name="queries")
    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="queries", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    item = models.CharField(_("item"), max_length=40)
    check_id = models.CharField(_("check"), max_length=80)
    text_en = models.TextField()
    text_zh = models.TextField()
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    origin = models.CharField(_("from"), max_length=10, choices=Origin.choices, default=Origin.CHECK)
    entry = models.JSONField(_("entry"), null=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        verbose_name=_("closed by"),
    )
    reveals_arm = models.BooleanField(default=False)

    objects = QueryQuerySet.as_manager()

    class Meta:
        verbose_name = _("query")
        verbose_name_plural = _("queries")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="query_newest"),
            models.Index(fields=["created_at"], condition=Q(state="open"), name="query_waiting"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["record", "check_id"],
                condition=~Q(state="closed") & Q(origin="check"),
                name="query_open_once_per_check",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["open", "answered"], closed_at=None, closed_by=None)
                | Q(state="closed", closed_at__isnull=False),
                name="query_closed_with_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.record_id} {self.item}"

    @property
    def text(self) -> str:
        """The question in the reader's language."""
        return self.text_zh if (get_language() or "").startswith("zh") else self.text_en


class ScoreQuerySet(ArmHidingQuerySet["Score"]):
    """Reads of scores."""


class Score(Base):
    """One score as it stands: of a record by its form's algorithm, or of a participant's response at an event.

    `value` is exact (a number as `protocol.expression.plain` writes it, or a code), empty where it cannot be computed;
    `reason` then says why. `inputs` are the answers that it was computed from. Earlier values stand in the trail.
    """

    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="scores", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    record = models.ForeignKey(
        Record, models.PROTECT, related_name="scores", null=True, verbose_name=_("record")
    )
    event = models.CharField(_("event"), max_length=40)
    repeat = models.PositiveIntegerField(_("number"), default=1)
    instrument = models.CharField(_("instrument"), max_length=40)
    name = models.CharField(_("score"), max_length=40)
    value = models.CharField(_("value"), max_length=60, blank=True)
    reason = models.CharField(_("why it is open"), max_length=40, blank=True)
    algorithm = models.CharField(_("algorithm"), max_length=60)
    inputs = models.JSONField(_("inputs"))
    computed_at = models.DateTimeField(_("computed at"), default=clock.now)
    reveals_arm = models.BooleanField(default=False)

    objects = ScoreQuerySet.as_manager()

    class Meta:
        verbose_name = _("score")
        verbose_name_plural = _("scores")
        ordering = ["participant", "event", "instrument", "repeat", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "event", "instrument", "repeat", "name"], name="score_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.event} {self.instrument} {self.name}"


class NormalLimitQuerySet(SiteScopedQuerySet["NormalLimit"]):
    """Reads of limits of normal."""

    def standing(self) -> "NormalLimitQuerySet":
        """Those that were not withdrawn as wrong."""
        return self.filter(withdrawn_at=None)


class NormalLimit(Base):
    """The upper limit of normal that a hospital's laboratory gives for an item, from a day on.

    It holds until `valid_until`, or until the next row of the same item and sex begins. Rows are never changed: a
    wrong one is withdrawn, and records keep the limit that they took.
    """

    site = models.ForeignKey("sites.Site", models.PROTECT, related_name="+", verbose_name=_("hospital"))
    form = models.CharField(_("form"), max_length=40)
    item = models.CharField(_("item"), max_length=40)
    sex = models.CharField(_("sex"), max_length=40, blank=True)
    value = models.DecimalField(_("upper limit of normal"), max_digits=16, decimal_places=6)
    unit = models.CharField(_("unit"), max_length=40, blank=True)
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=200)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("entered by")
    )
    withdrawn_at = models.DateTimeField(_("withdrawn at"), null=True, blank=True)

    objects = NormalLimitQuerySet.as_manager()

    class Meta:
        verbose_name = _("limit of normal")
        verbose_name_plural = _("limits of normal")
        ordering = ["site", "form", "item", "sex", "-valid_from", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "form", "item", "sex", "valid_from"],
                condition=Q(withdrawn_at=None),
                name="normal_limit_once_per_day",
            ),
            models.CheckConstraint(condition=Q(value__gt=0), name="normal_limit_positive"),
            models.CheckConstraint(
                condition=Q(valid_until=None) | Q(valid_until__gte=models.F("valid_from")),
                name="normal_limit_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.form}.{self.item} {self.value.normalize():f} {self.unit}"
