"""Versions of the definition, immutable."""

from functools import cached_property
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from trialsite.core.models import Base
from trialsite.protocol.definition import Definition
from trialsite.staff.access import has
from trialsite.staff.capabilities import PROTOCOL_VIEW

if TYPE_CHECKING:
    from trialsite.audit.context import Actor

_built: dict[str, Definition] = {}


class ProtocolVersionQuerySet(models.QuerySet["ProtocolVersion"]):
    """Reads of versions."""

    def current(self) -> "ProtocolVersion | None":
        """The version in force for new participants: the newest."""
        return self.defer("document").order_by("-id").first()

    def named(self, version: str) -> "ProtocolVersion | None":
        """The version of that name; the one in force where the name is empty."""
        return self.filter(version=version).order_by("-id").first() if version else self.current()

    def visible_to(self, actor: "Actor") -> "ProtocolVersionQuerySet":
        """All of them to whoever may read the protocol."""
        return self if has(actor, PROTOCOL_VIEW) else self.none()


class ProtocolVersion(Base):
    """One version: `document` is the validated content of the folder, `sha256` its hash."""

    trial_id = models.CharField(_("trial"), max_length=40)
    version = models.CharField(_("version"), max_length=40)
    sha256 = models.CharField(_("hash"), max_length=64, unique=True)
    document = models.JSONField(_("content"))
    loaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("loaded by"))

    objects = ProtocolVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("protocol version")
        verbose_name_plural = _("protocol versions")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["trial_id", "version"], name="protocol_version_once")]

    def __str__(self) -> str:
        return f"{self.trial_id} {self.version}"

    @cached_property
    def definition(self) -> Definition:
        """The typed definition, built once per process for each hash."""
        return _definition(self)


def _definition(version: ProtocolVersion) -> Definition:
    if version.sha256 not in _built:
        _built[version.sha256] = Definition.from_document(version.document)
    return _built[version.sha256]
