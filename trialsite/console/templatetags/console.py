"""What the templates need beside Django's own tags."""

import datetime as dt
from collections.abc import Mapping

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from trialsite.casebook.units import in_words
from trialsite.core import clock
from trialsite.enrollment.steps import Step
from trialsite.protocol.definition import Text

register = template.Library()


@register.filter
def text(value: Text | None) -> str:
    """A text of the protocol in the reader's language."""
    return value.to(get_language() or "en") if value else ""


@register.filter
def unit(code: str | None) -> str:
    """A unit in the reader's language."""
    return in_words(code)


@register.filter
def named(names: Mapping[str, str], code: str) -> str:
    """The name that belongs to a code of the protocol; nothing where there is none."""
    return names.get(code, "")


@register.simple_tag
def banner() -> str:
    """The style sheet that says on every page that this is no place for patients; empty in production."""
    return "" if settings.TRIALSITE_ENV == "prod" else static(f"console/banner-{settings.TRIALSITE_ENV}.css")


@register.simple_tag
def step_url(step: Step, code: str) -> str:
    """The page of a step."""
    return reverse(f"step-{step.code}", kwargs={"code": code})


@register.simple_tag
def moment(at: dt.datetime | None, zone: str) -> str:
    """An instant on the wall clock of a hospital."""
    return f"{clock.local(at, zone):%Y-%m-%d %H:%M}" if at else "–"


@register.simple_tag
def span_left(due: dt.datetime, now: dt.datetime) -> str:
    """How long until `due`."""
    return _("{span} left").format(span=_span(due - now))


@register.simple_tag
def span_over(due: dt.datetime, now: dt.datetime) -> str:
    """For how long `due` is past."""
    return _("{span} overdue").format(span=_span(now - due))


def _span(span: dt.timedelta) -> str:
    """Whole days from two days on, before it hours."""
    hours = int(span.total_seconds() // 3600)
    if hours >= 48:
        return ngettext("{number} day", "{number} days", hours // 24).format(number=hours // 24)
    return ngettext("{number} hour", "{number} hours", hours).format(number=hours)
