"""What an amendment changes and for whom: the difference of two versions, and who is still bound to the older one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.participants.models import BOUND, ConsentForm, Participant, owing_reconsent
from trialsite.protocol.differences import Difference, between
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site

if TYPE_CHECKING:
    from trialsite.audit.context import Actor


@dataclass(frozen=True)
class AtHospital:
    """One hospital: the codes of participants in the trial who are bound to the older version, and which of them owe
    their signature today. `form` is the consent form of the newer version in use there, if one has been approved.
    """

    site: Site
    bound: list[str]
    owing: list[str]
    form: ConsentForm | None


@dataclass(frozen=True)
class Amendment:
    """The differences of two versions, and whom they concern, by hospital."""

    old: str
    new: str
    differences: list[Difference]
    hospitals: list[AtHospital]


def amendment(actor: "Actor", old: str, new: str) -> Amendment:
    """Compare two versions by name, with the participants whom the actor may see. Raises NotFound."""
    versions = {
        one.version: one for one in ProtocolVersion.objects.visible_to(actor).filter(version__in=[old, new])
    }
    if old not in versions or new not in versions:
        raise NotFound
    return Amendment(
        old,
        new,
        between(versions[old].document, versions[new].document),
        _hospitals(actor, versions[old], versions[new]),
    )


def _hospitals(actor: "Actor", old: ProtocolVersion, new: ProtocolVersion) -> list[AtHospital]:
    """Every hospital at which somebody is bound to `old`, in three queries."""
    today = clock.today(settings.TIME_ZONE)
    usable = ConsentForm.objects.visible_to(actor).usable(today).filter(protocol_version=new)
    forms: dict[int, ConsentForm] = {}
    for form in usable:
        forms.setdefault(form.site_id, form)
    bound = Participant.objects.visible_to(actor).filter(protocol_version=old, status__in=BOUND)
    owed: Any = owing_reconsent(actor, today).filter(protocol_version=old)
    owing = {one.pk: one.owed_version for one in owed}
    found: dict[int, AtHospital] = {}
    for one in bound.select_related("site").order_by("site__number", "code"):
        here = found.setdefault(one.site_id, AtHospital(one.site, [], [], forms.get(one.site_id)))
        here.bound.append(one.code)
        if here.form and owing.get(one.pk) == here.form.version:
            here.owing.append(one.code)
    return list(found.values())
