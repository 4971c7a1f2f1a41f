"""Signed verdicts. Unsigned ones are computed when asked and never stored."""

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.staff.querysets import SiteScopedQuerySet

if TYPE_CHECKING:
    from trialsite.participants.models import Participant


class SignedVerdictQuerySet(SiteScopedQuerySet["SignedVerdict"]):
    """Reads of signed verdicts."""

    def standing(self, participant: "Participant") -> "SignedVerdict | None":
        """The participant's newest verdict whose signature stands, if any."""
        return (
            self.filter(participant=participant, signature__fallen_at=None)
            .select_related("signature")
            .order_by("-id")
            .first()
        )


class SignedVerdict(Base):
    """A verdict as an investigator signed it: `document` is exactly what the signature's hash covers."""

    participant = models.ForeignKey(
        "participants.Participant", models.PROTECT, related_name="verdicts", verbose_name=_("participant")
    )
    site = models.ForeignKey("sites.Site", models.PROTECT, verbose_name=_("hospital"))
    protocol_version = models.ForeignKey("protocol.ProtocolVersion", models.PROTECT)
    surgery_on = models.DateField(_("planned surgery"))
    eligible = models.BooleanField(_("eligible"))
    document = models.JSONField(_("verdict"))
    signature = models.OneToOneField("staff.Signature", models.PROTECT, related_name="+")

    objects = SignedVerdictQuerySet.as_manager()

    class Meta:
        verbose_name = _("signed verdict")
        verbose_name_plural = _("signed verdicts")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.participant_id} {self.surgery_on}"
