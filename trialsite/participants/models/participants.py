"""Participants and their status."""

from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import NotFound
from trialsite.core.models import Base
from trialsite.core.statements import row_of
from trialsite.participants.rules import TRANSITIONS
from trialsite.staff.querysets import SiteScopedQuerySet


class ParticipantQuerySet(SiteScopedQuerySet["Participant"]):
    """Reads of participants."""

    def with_protocol(self) -> "ParticipantQuerySet":
        """With hospital and protocol version; its document is not read again, `definition` knows it by its hash."""
        return self.select_related("site", "protocol_version").defer("protocol_version__document")

    def use_permitted(self) -> "ParticipantQuerySet":
        """Those whose data may be analysed: without those who withdrew the use of data. Exports start here."""
        return self.exclude(withdrawals__level="data")

    def by_code(self, code: str) -> "Participant":
        """The participant `code` among these; NotFound otherwise."""
        found = self.with_protocol().filter(code=code).first()
        if found is None:
            raise NotFound
        return found

    def lock(self, key: int | str, *, known: "Participant | None" = None) -> "Participant":
        """The participant under a row lock until the transaction ends; NotFound where the actor may not see it.

        `key` is the row's, or the code. `known` lends its hospital and protocol version where they are still the same:
        they are not read again.
        """
        if known is None:
            named = {"code": key} if isinstance(key, str) else {"pk": key}
            found = self.select_for_update(of=("self",)).filter(**named).with_protocol().first()
        else:
            found = row_of(Participant, known.pk, lock=True)
        if found is None:
            raise NotFound
        for name in ("site", "protocol_version") if known else ():
            if getattr(found, f"{name}_id") == getattr(known, f"{name}_id"):
                setattr(found, name, getattr(known, name))
        return found


class Participant(Base):
    """A person in the trial, known here by a code alone."""

    class Status(models.TextChoices):
        REGISTERED = "registered", _("registered")
        CONSENTED = "consented", _("consented")
        ELIGIBLE = "eligible", _("eligible")
        OPERATED = "operated", _("operated")
        RANDOMIZED = "randomized", _("randomized")
        COMPLETED = "completed", _("completed")
        SCREEN_FAILED = "screen_failed", _("screen failed")
        WITHDRAWN = "withdrawn", _("withdrawn")
        DEAD = "dead", _("deceased")

    code = models.CharField(_("code"), max_length=12, unique=True)
    site = models.ForeignKey(
        "sites.Site", models.PROTECT, related_name="participants", verbose_name=_("hospital")
    )
    protocol_version = models.ForeignKey(
        "protocol.ProtocolVersion", models.PROTECT, related_name="+", verbose_name=_("protocol version")
    )
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.REGISTERED)
    # A person who comes again after a screen failure is a new participant, so that no record of one attempt counts
    # for another; the attempts are linked.
    previous = models.OneToOneField(
        "self",
        models.PROTECT,
        related_name="following",
        null=True,
        blank=True,
        verbose_name=_("earlier attempt"),
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=1)
    # T0 of the criteria until the surgery has taken place; an investigator signs for a day.
    planned_surgery_on = models.DateField(_("planned surgery"), null=True, blank=True)
    registration_key = models.CharField(max_length=100)
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    objects = ParticipantQuerySet.as_manager()

    class Meta:
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        ordering = ["code"]
        constraints = [
            # Of the hospital that registered, which the code names for good: a participant may move to another one.
            models.UniqueConstraint(
                Func(F("code"), Value("-"), Value(1), function="split_part", output_field=models.CharField()),
                F("registration_key"),
                name="participant_registered_once",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(TRANSITIONS)), name="participant_status_known"
            ),
            models.CheckConstraint(
                condition=Q(previous=None, attempt=1) | Q(previous__isnull=False, attempt__gt=1),
                name="participant_attempt_counts",
            ),
        ]
        indexes = [models.Index(fields=["site", "status"], name="participant_by_status")]

    def __str__(self) -> str:
        return self.code
