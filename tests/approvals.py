"""The present protocol version, activated at every hospital by two people: part of the template of all tests."""

import datetime as dt
import os
from typing import Any, Final

import django

ETHICS: Final[dict[str, Any]] = {"ethics_approved_on": dt.date(2025, 6, 1), "ethics_reference": "EC-2025-017"}


def activate_everywhere() -> None:
    """Through the service. The accounts are closed afterwards, so that no test meets people it did not make."""
    from tests.conftest import PASSWORD, make_person
    from trialsite.audit.context import acting
    from trialsite.participants.services import approve_consent_form
    from trialsite.protocol.models import ProtocolVersion
    from trialsite.sites.models import Site
    from trialsite.sites.services import sign_activation
    from trialsite.staff.models import User, system_actor

    version = ProtocolVersion.objects.current()
    assert version is not None
    manager = make_person("trial_manager", username="approvals.sponsor")
    signers = [manager]
    for site in Site.objects.all():
        head = make_person("pi", site, username=f"approvals.{site.code.lower()}")
        signers.append(head)
        for signer in (head, manager):
            sign_activation(actor=signer, site=site, version=version, password=PASSWORD, **ETHICS)
        approve_consent_form(
            actor=manager,
            site=site,
            protocol_version=version,
            version="1.0",
            approved_on=ETHICS["ethics_approved_on"],
            reference=ETHICS["ethics_reference"],
        )
    with acting(system_actor("system.loader")):
        User.objects.filter(pk__in=[one.pk for one in signers]).update(is_active=False)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
    django.setup()
    activate_everywhere()
