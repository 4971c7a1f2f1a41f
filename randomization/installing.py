"""Bringing a sealed list in, once for ever."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from randomization import admission, continuity
from randomization.errors import BadList
from randomization.models import Scheme, SealedEntry, Stratum
from randomization.rules import factors, ledger, sealing
from trialsite.audit.context import acting
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.access import require_everywhere
from trialsite.staff.capabilities import SEQUENCE_MANAGE
from trialsite.staff.models import User


def install_list(*, actor: User, document: Mapping[str, Any], total_cap: int | None = None) -> Scheme:
    """Store a sealed list, once for ever. `document` is what `generate_list` wrote.

    `total_cap` lies within the protocol's, which is the default. Refuses what `admission.unfit` names, a second list,
    and one whose witness cannot be begun.
    """
    with acting(actor):
        require_everywhere(actor, SEQUENCE_MANAGE)
        version = ProtocolVersion.objects.current()
        if version is None:
            raise BadList(why=_("no protocol is loaded"))
        if total_cap is None:
            total_cap = version.definition.total_cap
        why = admission.unfit(document, version, total_cap)
        if why:
            raise BadList(why=why)
        if Scheme.objects.exists():
            raise BadList(why=_("a list is installed already"))
        scheme = Scheme.objects.create(
            trial=document["trial"],
            environment=document["environment"],
            specification_hash=document["specification_hash"],
            commitments=document["commitments"],
            arms=document["arms"],
            factors=document["factors"],
            public=document["public"],
            rule=bytes.fromhex(document["rule"]),
            total_cap=total_cap,
            head=ledger.genesis(
                document["trial"],
                document["environment"],
                document["specification_hash"],
                {part["stratum"]: part["root"] for part in document["strata"]},
                {part["stratum"]: part["emergency"]["root"] for part in document["strata"]},
            ),
        )
        continuity.begin(scheme)
        sites = {site.code: site for site in Site.objects.all()}
        for part in document["strata"]:
            _install_stratum(scheme, sites[factors.levels_of(part["stratum"])[factors.SITE]], part)
        return scheme


def _install_stratum(scheme: Scheme, site: Site, part: Mapping[str, Any]) -> None:
    envelopes = part["emergency"]
    stratum = Stratum.objects.create(
        scheme=scheme,
        site=site,
        key=part["stratum"],
        length=len(part["entries"]),
        root=part["root"],
        emergency_length=len(envelopes["entries"]),
        emergency_root=envelopes["root"],
    )
    for kind, entries in (("main", part["entries"]), ("emergency", envelopes["entries"])):
        leaves = [bytes.fromhex(entry["leaf"]) for entry in entries]
        SealedEntry.objects.bulk_create(
            SealedEntry(
                stratum=stratum,
                kind=kind,
                index=entry["index"],
                ciphertext=bytes.fromhex(entry["ciphertext"]),
                leaf=leaf,
                path=[[side, sibling.hex()] for side, sibling in path],
            )
            for entry, leaf, path in zip(entries, leaves, sealing.paths(leaves), strict=True)
        )
