"""The sealed export: everything that a verifier needs to re-derive lists, roots, proofs and chain, and no key."""

from typing import Any, Final

from django.conf import settings

from randomization import opening
from randomization.errors import NoList, NotRevealed
from randomization.models import Allocation, Scheme, Stratum
from randomization.verification import row_of
from trialsite.audit.context import acting
from trialsite.audit.notes import note
from trialsite.staff.access import require_everywhere
from trialsite.staff.capabilities import SEQUENCE_MANAGE
from trialsite.staff.models import User

FORMAT: Final = "trialsite-sealed-export-1"


def sealed_export(*, actor: User) -> dict[str, Any]:
    """The export of docs/randomization-format.md; the trail records who took it.

    It holds the specification, so it is given out only once randomization is closed; in a demo at any time. Raises
    NotRevealed, NoList.
    """
    with acting(actor):
        require_everywhere(actor, SEQUENCE_MANAGE)
        scheme = Scheme.objects.first()
        if scheme is None:
            raise NoList
        # A production database that stands under another environment gives nothing away either.
        if scheme.state != Scheme.State.CLOSED and "prod" in (settings.TRIALSITE_ENV, scheme.environment):
            raise NotRevealed
        note(actor=actor, action="export", about="randomization_allocation", details={"head": scheme.head})
        return _export(scheme)


def _export(scheme: Scheme) -> dict[str, Any]:
    rows = (
        Allocation.objects.filter(stratum__scheme=scheme)
        .select_related("participant", "stratum", "allocated_by")
        .order_by("position")
    )
    return {
        "format": FORMAT,
        "trial": scheme.trial,
        "environment": scheme.environment,
        "specification": opening.specification_text(scheme),
        "specification_hash": scheme.specification_hash,
        "commitments": scheme.commitments,
        "public": scheme.public,
        "arms": scheme.arms,
        "strata": [
            {
                "stratum": stratum.key,
                "root": stratum.root,
                "length": stratum.length,
                "emergency_root": stratum.emergency_root,
                "emergency_length": stratum.emergency_length,
                "void": sorted(one.index for one in stratum.voids.all()),
            }
            for stratum in Stratum.objects.filter(scheme=scheme).order_by("key").prefetch_related("voids")
        ],
        "rows": [_row(row) for row in rows],
        "head": scheme.head,
    }


def _row(row: Allocation) -> dict[str, Any]:
    content = row_of(row)
    return {
        **vars(content),
        "r": content.r.hex(),
        "hash": row.hash,
        "levels": row.strata,
        "path": row.path,
    }
