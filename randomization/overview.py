"""What the statistician and the inspector read: where list and ledger stand, and who could see the sequence."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from randomization.models import Allocation, Correction, Scheme, Stratum
from randomization.rules import ledger
from trialsite.audit.models import Event, EventQuerySet
from trialsite.audit.notes import note
from trialsite.core.errors import NotFound
from trialsite.staff.access import require
from trialsite.staff.capabilities import ARM_SEE, CAPABILITIES, LEDGER_VIEW, SEQUENCE_MANAGE
from trialsite.staff.models import Membership, User
from trialsite.staff.wording import role_name

_SHOWN: Final = 50


@dataclass(frozen=True)
class Overview:
    """State, published hashes, strata with their counters, the newest heads, what was randomized in error.

    No arm, neither past nor to come; what people wrote to a mark may name one.
    """

    scheme: Scheme
    strata: list[Stratum]
    heads: list[Mapping[str, Any]]
    genesis: str
    marks: list[Correction]


def overview(actor: User) -> Overview:
    """For whoever may view the ledger; the look is noted. NotFound as long as no list is installed."""
    require(actor, LEDGER_VIEW)
    scheme = Scheme.objects.visible_to(actor).first()
    if scheme is None:
        raise NotFound
    note(actor=actor, action="view", about="randomization_scheme", key=scheme.pk)
    heads = (
        Allocation.objects.visible_to(actor).order_by("-position").values("position", "hash", "allocated_at")
    )
    strata = Stratum.objects.visible_to(actor).filter(scheme=scheme).select_related("site")
    marks = Correction.objects.visible_to(actor).select_related("participant", "site", "marked_by")
    return Overview(
        scheme,
        list(strata),
        list(heads[:_SHOWN]),
        genesis(scheme, strata),
        list(marks.order_by("-marked_at")),
    )


def genesis(scheme: Scheme, strata: Iterable[Stratum]) -> str:
    """The head of the empty ledger, which binds the roots of all lists and envelopes: to be held against what was
    published."""
    roots, envelopes = {}, {}
    for stratum in strata:
        roots[stratum.key], envelopes[stratum.key] = stratum.root, stratum.emergency_root
    return ledger.genesis(scheme.trial, scheme.environment, scheme.specification_hash, roots, envelopes)


@dataclass(frozen=True)
class Access:
    """One line of the access log: who, in which role, from when until when could do what; or what was opened when."""

    who: str
    role: str
    what: str
    since: dt.datetime
    until: dt.datetime | None

    @property
    def role_words(self) -> str:
        """Role and hospital in the reader's language."""
        role, _, place = self.role.partition(" ")
        return " ".join(filter(None, (role_name(role), place)))

    @property
    def what_words(self) -> str:
        """What it opens, in the reader's language."""
        return ", ".join(str(_OPENS[word]) for word in self.what.split(", "))


_OPENS: Final = {"sequence": _("sequence"), "ledger": _("ledger"), "arms": _("arms")}


def access_log(actor: User) -> list[Access]:
    """Who had access to the sequence (CONSORT 2025 item 19): memberships over time, then what the trail has noted.

    Nobody's page shows entries to come. `sequence`: may install and steer the list; `ledger`: may read positions and
    hashes; `arms`: may read allocations that were made, at the own hospital or at all of them.
    """
    require(actor, LEDGER_VIEW)
    note(actor=actor, action="view", about="randomization_access")
    found = []
    for held in Membership.objects.select_related("user", "site").order_by("starts_at", "id"):
        names = CAPABILITIES.get(held.role, frozenset())
        what = [
            word
            for capability, word in (
                (SEQUENCE_MANAGE, "sequence"),
                (LEDGER_VIEW, "ledger"),
                (ARM_SEE, "arms"),
            )
            if capability in names
        ]
        if what:
            place = f" ({held.site.code})" if held.site else ""
            found.append(
                Access(
                    held.user.full_name or held.user.username,
                    f"{held.role}{place}",
                    ", ".join(what),
                    held.starts_at,
                    held.ends_at,
                )
            )
    return found


def noted(actor: User) -> EventQuerySet:
    """Acts on the list, noted views of ledger and log, sealed exports; newest first."""
    require(actor, LEDGER_VIEW)
    tables = (
        "randomization_scheme",
        "randomization_era",
        "randomization_attestation",
        "randomization_access",
        "randomization_envelope",
        "randomization_voidenvelope",
    )
    acts = Q(table_name__in=tables) & ~Q(table_name="randomization_scheme", changes__has_key="position")
    installed = Q(table_name="randomization_scheme", action="insert")
    seen = Q(table_name="randomization_allocation", action__in=["view", "export"])
    return Event.objects.visible_to(actor).filter(acts | installed | seen).order_by("-id")
