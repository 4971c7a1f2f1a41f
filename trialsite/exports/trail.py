"""The trail as a reviewer reads it: one line per changed field, with the words of the forms and the names of people."""

import datetime as dt
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.apps import apps
from django.db import models
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trialsite.audit.models import Event
from trialsite.casebook.models import Record
from trialsite.exports.inquiry import codes
from trialsite.exports.trailwords import ACTIONS, CODES, COLUMNS, DETAILS, PAGES, TABLES
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Form, Unknown
from trialsite.protocol.models import ProtocolVersion
from trialsite.sites.models import Site
from trialsite.staff.access import has, sites_of
from trialsite.staff.capabilities import ARM_SEE
from trialsite.staff.models import User
from trialsite.staff.wording import capability_name, role_names

# How a row of these tables leads to the record that it hangs on.
_ON_RECORDS: Final = {
    "casebook_record": "",
    "casebook_query": "record",
    "casebook_querymessage": "query__record",
    "casebook_verification": "record",
    "casebook_lock": "record",
    "casebook_score": "record",
    "attachments_attachment": "record",
}
# And how to the visit.
_ON_VISITS: Final = {"visits_visit": "", "visits_appointment": "visit", "visits_formerwindow": "visit"}
# Events whose places are looked up together: this many at a time, by one statement for each kind of table.
_AT_ONCE: Final = 2000
# Written with every row; they tell a reviewer nothing that the line does not say already.
_NOISE: Final = frozenset({"id", "created_at", "updated_at", "site_id", "participant_id", "reveals_arm"})


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
    place: str
    field: str
    old: str
    new: str
    reason: str
    program: str
    address: str
    request: str
    session: str
    number: str


def tables() -> list[tuple[str, str]]:
    """(name, its words) of every table that the trail may name, by the words."""
    named = {name: _table_label(name) for name in (*_models(), *PAGES)}
    return sorted(named.items(), key=lambda pair: pair[1])


def items(actor: User) -> list[tuple[str, str]]:
    """(name, forms and labels) of every item of the present protocol that `actor` may read: what a field is called."""
    version, language = ProtocolVersion.objects.current(), get_language() or "en"
    shows_arms, found = has(actor, ARM_SEE), defaultdict[str, list[str]](list)
    for form in version.definition.forms if version else ():
        if form.reveals_arm and not shows_arms:
            continue
        for name, item in form.items.items():
            found[name].append(f"{form.name.to(language)}: {item.label.to(language)}")
    return [(name, "; ".join(labels)) for name, labels in sorted(found.items())]


class Reader:
    """Words events. Names of people, hospitals, participants and forms are read once, for all lines.

    With `field`, changes of that column or item alone are told.
    """

    def __init__(self, actor: User, *, field: str = "") -> None:
        self.actor = actor
        self.field = field
        self.people = dict(User.objects.values_list("pk", "full_name"))
        self.sites = {site.pk: site.name for site in Site.objects.all()}
        self.codes = codes(actor)
        # The newest first: where a record's own version no longer has an item, its label comes from there.
        self.versions = {one.pk: one for one in ProtocolVersion.objects.defer("document").order_by("-pk")}
        self.records: dict[tuple[str, str], _Place] = {}
        self.visits: dict[tuple[str, str], tuple[str, int]] = {}
        # Numbers given in turn would tell by their gaps how many lines are hidden from who may not see arms.
        sites = sites_of(actor, ARM_SEE)
        self.numbered = sites if sites is None else frozenset(sites)

    def lines(self, found: Iterable[Event]) -> Iterator[Line]:
        """The lines of each event; a note, or a change of noise only, gives one line without a field."""
        for _event, lines in self.read(found):
            yield from lines

    def read(self, found: Iterable[Event]) -> Iterator[tuple[Event, list[Line]]]:
        """Each event with its lines."""
        waiting = iter(found)
        while some := list(itertools.islice(waiting, _AT_ONCE)):
            self._look_up(some)
            for event in some:
                yield event, list(self._lines(event))

    def _look_up(self, found: Sequence[Event]) -> None:
        """Learn where the rows of these events belong, as far as the reader may see them."""
        keys: dict[str, set[str]] = defaultdict(set)
        for event in found:
            keys[event.table_name].add(event.row_key)
        self.records = {
            (table, str(key)): _Place(*place)
            for table, path in _ON_RECORDS.items()
            for key, *place in _hanging(self.actor, table, keys[table], path, _Place.__match_args__)
        }
        self.visits = {
            (table, str(key)): (code, repeat)
            for table, path in _ON_VISITS.items()
            for key, code, repeat in _hanging(self.actor, table, keys[table], path, ("code", "repeat"))
        }

    def _lines(self, event: Event) -> Iterator[Line]:
        changed = [pair for pair in event.changes.items() if pair[0] not in _NOISE or len(event.changes) == 1]
        told = False
        for name, change in changed:
            old: Any
            new: Any
            if event.action not in ("insert", "update", "delete"):
                if self.field in ("", name):
                    told = True
                    parts = change if isinstance(change, list) else [change]
                    words = ", ".join(
                        _(CODES[one]) if one in CODES else capability_name(_text(one)) for one in parts
                    )
                    yield self._line(event, _(DETAILS.get(name, name)), "", words)
                continue
            old, new = change if isinstance(change, list) and len(change) == 2 else ("", _("changed"))
            if name == "data" and event.table_name == Record._meta.db_table and self.field != "data":
                pairs = self._items(event, old or {}, new or {})
            elif self.field not in ("", name):
                continue
            else:
                column = _column(event.table_name, name)
                pairs = [
                    (
                        column_words(event.table_name, name),
                        self._told(column, old),
                        self._told(column, new),
                    )
                ]
            for label, before, after in pairs:
                told = True
                yield self._line(event, label, before, after)
        if not told:
            yield self._line(event, "", None, None)

    def _items(
        self, event: Event, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> list[tuple[str, Any, Any]]:
        place = self.records.get((event.table_name, event.row_key))
        return [
            (self._item_label(place, name), _entry(old.get(name)), _entry(new.get(name)))
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name) and self.field in ("", name)
        ]

    def _item_label(self, place: "_Place | None", name: str) -> str:
        """As the record's form words it: in its own version, or else in the newest one that has the item."""
        if place is None:
            return name
        for version in (place.protocol_version_id, *self.versions):
            form = self._form(version, place.form)
            if form and name in form.items:
                return form.items[name].label.to(get_language() or "en")
        return name

    def _form(self, version: int, code: str) -> Form | None:
        try:
            return self.versions[version].definition.form(code)
        except Unknown:
            return None

    def _placed(self, event: Event) -> str:
        """Where in the casebook or in the schedule the row belongs, in words; empty where it belongs to neither."""
        language, at = get_language() or "en", (event.table_name, event.row_key)
        if (place := self.records.get(at)) is not None:
            form = self._form(place.protocol_version_id, place.form)
            number = f" {place.repeat}" if place.repeat > 1 or (form and form.repeating) else ""
            return f"{place.event} · {form.name.to(language) if form else place.form}{number}"
        code, repeat = self.visits.get(at, ("", 1))
        return f"{code} {repeat}" if repeat > 1 else code

    def _told(self, column: Any, value: Any) -> Any:
        """A stored value as people say it: names of people and hospitals, words of choices, moments in local time."""
        if column is not None and column.name == "scopes":
            return ", ".join(map(capability_name, value or ()))
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
            place=self._placed(event),
            field=label,
            old=_text(old),
            new=_text(new),
            reason=event.reason,
            program=event.application,
            address=event.address,
            request=event.request,
            session=event.session,
            number=str(event.pk) if self.numbered is None or event.site_id in self.numbered else "",
        )


@dataclass(frozen=True)
class _Place:
    """Where a row belongs in the casebook, and the version of the protocol that words it."""

    event: str
    form: str
    repeat: int
    protocol_version_id: int


def _hanging(actor: User, table: str, keys: set[str], path: str, columns: Sequence[str]) -> Iterator[Any]:
    """(key, columns of what `path` leads to) of the rows `keys` of `table` that hang on something."""
    names = [f"{path}__{column}" if path else column for column in columns]
    rows = _models()[table].objects.visible_to(actor).filter(pk__in=[key for key in keys if key.isdecimal()])
    if path:
        rows = rows.exclude(**{path: None})
    yield from rows.order_by().values_list("pk", *names)


@cache
def _models() -> Mapping[str, Any]:
    return {model._meta.db_table: model for model in apps.get_models()}


def said(event: Event) -> str:
    """What was done to what, in the reader's language."""
    return f"{_table_label(event.table_name)}: {_(ACTIONS.get(event.action, event.action))}"


def _table_label(table: str) -> str:
    model = _models().get(table)
    if model and table not in TABLES:
        return str(model._meta.verbose_name)
    return _((TABLES | PAGES).get(table, table))


def column_words(table: str, name: str) -> str:
    """A column in the reader's words: as its model words it, else as the trail does."""
    column = _column(table, name)
    if column is not None and isinstance(column.verbose_name, Promise):
        return str(column.verbose_name)
    return _(COLUMNS[name]) if name in COLUMNS else name


def _column(table: str, name: str) -> Any:
    """The field that a column of the trail belongs to; None for one that is no longer known, or for a note."""
    model = _models().get(table)
    return next((one for one in (model._meta.concrete_fields if model else ()) if one.column == name), None)


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
