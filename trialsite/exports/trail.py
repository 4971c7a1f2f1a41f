"""The trail as a reviewer reads it: one line per changed field, with the words of the forms and the names of people."""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.apps import apps
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

from trialsite.audit.models import Event, EventQuerySet
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Definition
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import ARM_SEE
from trialsite.staff.models import User
from trialsite.staff.wording import role_names

ACTIONS: Final = {
    "insert": gettext_noop("created"),
    "update": gettext_noop("changed"),
    "delete": gettext_noop("deleted"),
    "view": gettext_noop("viewed"),
    "export": gettext_noop("exported"),
    "search": gettext_noop("searched"),
    "sign_in": gettext_noop("signed in"),
    "sign_out": gettext_noop("signed out"),
    "sign_in_failed": gettext_noop("sign-in failed"),
    "sign_in_limited": gettext_noop("sign-in refused for a while"),
    "signature_refused": gettext_noop("signature refused"),
    "session_expired": gettext_noop("session expired"),
}
# Written with every row; they tell a reviewer nothing that the line does not say already.
_NOISE: Final = frozenset({"id", "created_at", "updated_at", "site_id", "participant_id", "reveals_arm"})


@dataclass(frozen=True)
class Asked:
    """What a reviewer asks for; empty fields leave everything in."""

    participant: str = ""
    person: str = ""
    table: str = ""
    field: str = ""
    since: dt.date | None = None
    until: dt.date | None = None


@dataclass(frozen=True)
class Line:
    """One field of one event."""

    at: dt.datetime
    person: str
    roles: str
    site: str
    participant: str
    action: str
    what: str
    field: str
    old: str
    new: str
    reason: str
    program: str
    address: str
    request: str
    number: str


def events(actor: User, asked: Asked) -> EventQuerySet:
    """The events that fit, newest first, of those that `actor` may read."""
    found = Event.objects.visible_to(actor)
    if asked.participant:
        known = Participant.objects.visible_to(actor).filter(code=asked.participant)
        found = found.filter(participant_id__in=known.values("pk"))
    if asked.person:
        found = found.filter(actor_id__in=User.objects.filter(username=asked.person).values("pk"))
    if asked.table:
        found = found.filter(table_name=asked.table)
    if asked.field:
        found = found.filter(changes__has_key=asked.field)
    if asked.since:
        found = found.filter(at__date__gte=asked.since)
    if asked.until:
        found = found.filter(at__date__lte=asked.until)
    return found


def tables() -> list[tuple[str, str]]:
    """(name, its words) of every table that the trail may name, by the words."""
    named = {model._meta.db_table: str(model._meta.verbose_name) for model in apps.get_models()}
    return sorted(named.items(), key=lambda pair: pair[1])


class Reader:
    """Words events. Names of people, hospitals, participants and forms are read once, for all lines."""

    def __init__(self, actor: User) -> None:
        self.people = dict(User.objects.values_list("pk", "full_name"))
        self.sites = {site.pk: site.name for site in Site.objects.all()}
        self.codes = dict(Participant.objects.visible_to(actor).values_list("pk", "code"))
        version = ProtocolVersion.objects.current()
        self.definition = version.definition if version else None
        # Numbers given in turn would tell by their gaps how many lines are hidden from who may not see arms.
        sites = sites_of(actor, ARM_SEE)
        self.numbered = sites if sites is None else frozenset(sites)

    def lines(self, found: Iterable[Event]) -> Iterator[Line]:
        """The lines of each event; a note, or a change of noise only, gives one line without a field."""
        for event in found:
            yield from self._lines(event)

    def _lines(self, event: Event) -> Iterator[Line]:
        changed = [pair for pair in event.changes.items() if pair[0] not in _NOISE or len(event.changes) == 1]
        told = False
        for name, change in changed:
            old: Any
            new: Any
            old, new = change if isinstance(change, list) and len(change) == 2 else ("", _("changed"))
            if name == "data" and event.table_name == "casebook_record":
                pairs = self._items(old or {}, new or {})
            else:
                column = _column(event.table_name, name)
                pairs = [
                    (
                        str(column.verbose_name) if column else name,
                        self._told(column, old),
                        self._told(column, new),
                    )
                ]
            for label, before, after in pairs:
                told = True
                yield self._line(event, label, before, after)
        if not told:
            yield self._line(event, "", None, None)

    def _items(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
        return [
            (_item_label(self.definition, name), _entry(old.get(name)), _entry(new.get(name)))
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        ]

    def _told(self, column: Any, value: Any) -> Any:
        """A stored value as people say it: names of people and hospitals, words of choices, moments in local time."""
        if column is None or value in (None, "") or isinstance(value, dict | list):
            return value
        if column.is_relation:
            names = {User: self.people, Site: self.sites, Participant: self.codes}.get(
                column.related_model, {}
            )
            return names.get(value, value)
        if column.choices:
            return str(dict(column.flatchoices).get(value, value))
        if isinstance(column, models.DateTimeField):
            moment = timezone.localtime(dt.datetime.fromisoformat(value))
            return f"{moment:%Y-%m-%d %H:%M:%S %z}"
        return value

    def _line(self, event: Event, label: str, old: Any, new: Any) -> Line:
        return Line(
            at=event.at,
            person=self.people.get(event.actor_id, str(event.actor_id)),
            roles=role_names(event.roles),
            site=self.sites.get(event.site_id or 0, ""),
            participant=self.codes.get(event.participant_id or 0, ""),
            action=_(ACTIONS.get(event.action, event.action)),
            what=_table_label(event.table_name),
            field=label,
            old=_text(old),
            new=_text(new),
            reason=event.reason,
            program=event.application,
            address=event.address,
            request=event.request,
            number=str(event.pk) if self.numbered is None or event.site_id in self.numbered else "",
        )


@cache
def _models() -> Mapping[str, Any]:
    return {model._meta.db_table: model for model in apps.get_models()}


def said(event: Event) -> str:
    """What was done to what, in the reader's language."""
    return f"{_table_label(event.table_name)}: {_(ACTIONS.get(event.action, event.action))}"


def _table_label(table: str) -> str:
    model = _models().get(table)
    return str(model._meta.verbose_name) if model else table


def _column(table: str, name: str) -> Any:
    """The field that a column of the trail belongs to; None for one that is no longer known, or for a note."""
    model = _models().get(table)
    return next((one for one in (model._meta.concrete_fields if model else ()) if one.column == name), None)


def _item_label(definition: Definition | None, name: str) -> str:
    for form in definition.forms if definition else ():
        if name in form.items:
            return form.items[name].label.to(get_language() or "en")
    return name


def _entry(stored: Any) -> Any:
    """A stored item as it was entered."""
    if not isinstance(stored, Mapping):
        return stored
    parts = [stored.get(key) for key in ("sign", "value", "unit", "missing")]
    return " ".join(_text(part) for part in parts if part not in (None, ""))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
