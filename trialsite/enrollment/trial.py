"""The trial itself: its protocol and its hospitals, brought in from a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from randomization import services as randomization
from trialsite.audit.context import acting
from trialsite.protocol import services as protocol
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites import services as sites
from trialsite.staff.models import User


def load(*, actor: User, folder: Path) -> ProtocolVersion:
    """Load `folder` as a protocol version and create or update the hospitals it names, or change nothing at all."""
    with acting(actor):
        version = protocol.load(actor=actor, folder=folder)
        for site in version.definition.sites:
            sites.sync(
                actor=actor,
                code=site.code,
                number=site.number,
                name_en=site.name.en,
                name_zh=site.name.zh,
                timezone=site.timezone,
                target=site.target,
                cap=site.cap,
                phone=site.phone,
            )
        return version


def install_list(*, actor: User, document: Mapping[str, Any], version: ProtocolVersion) -> None:
    """Install the sealed list of this trial, with the protocol's total cap."""
    randomization.install_list(actor=actor, document=document, total_cap=version.definition.total_cap)
