"""A second version of the protocol, activated and with a consent form of its own at hospitals."""

import copy
import datetime as dt
from typing import Any

from tests.approvals import ETHICS
from tests.conftest import PASSWORD, make_person
from trialsite.audit.context import acting
from trialsite.participants.models import ConsentForm
from trialsite.participants.services import approve_consent_form
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.reader import sha256
from trialsite.sites.services import sign_activation
from trialsite.staff.models import system_actor

APPROVED = dt.date(2026, 1, 10)


def amended(change: Any = None) -> ProtocolVersion:
    """Version 1.1: the content of 1.0 with what `change(document)` does to it."""
    loader = system_actor("system.loader")
    with acting(loader):
        document = copy.deepcopy(ProtocolVersion.objects.get(version="1.0").document)
        document["trial"]["version"] = "1.1"
        if change:
            change(document)
        return ProtocolVersion.objects.create(
            trial_id=document["trial"]["id"],
            version="1.1",
            sha256=sha256(document),
            document=document,
            loaded_by=loader,
        )


def activate_at(version: ProtocolVersion, *sites: Any) -> Any:
    """Both signatures at each of the hospitals; returns the trial manager who signed."""
    manager = make_person("trial_manager")
    for site in sites:
        for signer in (make_person("pi", site), manager):
            sign_activation(actor=signer, site=site, version=version, password=PASSWORD, **ETHICS)
    return manager


def form_at(
    manager: Any, site: Any, protocol: ProtocolVersion, version: str = "1.1", **changes: Any
) -> ConsentForm:
    """The consent form `version`, approved at `site`."""
    content: dict[str, Any] = {"approved_on": APPROVED, "reference": "EC-2026-004", **changes}
    return approve_consent_form(
        actor=manager, site=site, protocol_version=protocol, version=version, **content
    )


def amended_again(version: ProtocolVersion, change: Any = None) -> ProtocolVersion:
    """Version 1.2, as 1.1 was, with what `change(document)` does to it."""
    loader = system_actor("system.loader")
    document = copy.deepcopy(version.document)
    document["trial"]["version"] = "1.2"
    if change:
        change(document)
    with acting(loader):
        return ProtocolVersion.objects.create(
            trial_id=version.trial_id,
            version="1.2",
            sha256=sha256(document),
            document=document,
            loaded_by=loader,
        )
