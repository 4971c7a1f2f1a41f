"""Queries: asked by a person or a check, answered by the hospital, closed by whoever asks. Never in the way."""

import secrets

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook.errors import AskedAlready, NoSuchItem, QueryNotOpen, TextNeeded
from trialsite.casebook.models import Query, QueryMessage, Record
from trialsite.casebook.rules import TRANSITIONS_OF_QUERY
from trialsite.core import clock
from trialsite.core.errors import NotFound
from trialsite.staff.access import require
from trialsite.staff.capabilities import QUERY_RAISE, RECORD_EDIT
from trialsite.staff.models import User


def raise_query(*, actor: User, record: Record, item: str, text: str) -> Query:
    """Ask the hospital about an item of a record. The same open question again gives the same query."""
    with acting(actor):
        require(actor, QUERY_RAISE, site=record.site_id)
        said = _said(text)
        form = record.protocol_version.definition.form(record.form)
        if item not in form.items:
            raise NoSuchItem(item=item[:40], form=form.name)
        locked = Record.objects.select_for_update(of=("self",)).get(pk=record.pk)
        same = Query.objects.open().filter(record=locked, item=item, origin="person", text_en=said).first()
        if same:
            return same
        query = Query.objects.create(
            record=locked,
            participant_id=locked.participant_id,
            site_id=locked.site_id,
            item=item,
            check_id=f"person:{secrets.token_hex(8)}",
            origin=Query.Origin.PERSON,
            text_en=said,
            text_zh=said,
            entry=locked.data.get(item),
            reveals_arm=locked.reveals_arm,
        )
        _say(actor, query, QueryMessage.Act.RAISE, said)
        return query


def answer_query(*, actor: User, query: Query, text: str) -> Query:
    """The hospital's answer; whoever asked reads it and closes or re-opens."""
    return _move(actor, query, RECORD_EDIT, QueryMessage.Act.ANSWER, text)


def close_query(*, actor: User, query: Query, text: str) -> Query:
    """Close a query; one from a check is then not asked again until the entry changes."""
    return _move(actor, query, QUERY_RAISE, QueryMessage.Act.CLOSE, text)


def reopen_query(*, actor: User, query: Query, text: str) -> Query:
    """Ask again."""
    return _move(actor, query, QUERY_RAISE, QueryMessage.Act.REOPEN, text)


_LEADS_TO = {
    QueryMessage.Act.ANSWER: Query.State.ANSWERED,
    QueryMessage.Act.CLOSE: Query.State.CLOSED,
    QueryMessage.Act.REOPEN: Query.State.OPEN,
}


def _move(actor: User, query: Query, capability: str, act: QueryMessage.Act, text: str) -> Query:
    with acting(actor):
        require(actor, capability, site=query.site_id)
        said = _said(text)
        locked = Query.objects.visible_to(actor).select_for_update(of=("self",)).filter(pk=query.pk).first()
        if locked is None:
            raise NotFound
        to = _LEADS_TO[act]
        if to not in TRANSITIONS_OF_QUERY[locked.state]:
            raise QueryNotOpen(state=locked.get_state_display())
        if act == QueryMessage.Act.REOPEN:
            _require_not_asked(locked)
        closing = to == Query.State.CLOSED
        Query.objects.filter(pk=locked.pk).update(
            state=to, closed_at=clock.now() if closing else None, closed_by=actor if closing else None
        )
        _say(actor, locked, act, said)
        locked.refresh_from_db()
        return locked


def _require_not_asked(query: Query) -> None:
    """A check that has asked anew meanwhile asks the same: that query is the one to go on with."""
    Record.objects.select_for_update(of=("self",)).get(pk=query.record_id)
    same = Query.objects.open().filter(record=query.record_id, check_id=query.check_id).exclude(pk=query.pk)
    other = same.first()
    if other is not None:
        raise AskedAlready(number=other.pk)


def _said(text: str) -> str:
    said = text.strip()
    if not said or len(said) > 2000 or "\x00" in said:
        raise TextNeeded(fields={"text": [_("Write between 1 and 2000 characters.")]})
    return said


def _say(actor: User, query: Query, act: QueryMessage.Act, text: str) -> None:
    QueryMessage.objects.create(
        query=query,
        participant_id=query.participant_id,
        site_id=query.site_id,
        author=actor,
        act=act,
        text=text,
        reveals_arm=query.reveals_arm,
    )
