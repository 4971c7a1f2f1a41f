"""The base of admin windows on rows that hold codes of the protocol: they are shown in the reader's words."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.contrib.admin import AllValuesFieldListFilter
from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from trialsite.protocol.definition import Definition, Form, Text
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.windows import Window


class ProtocolWindow(Window):
    """Words rows by the version in force; a code that it does not know is shown as it is."""

    definition: Definition | None = None

    def get_queryset(self, request: HttpRequest) -> Any:
        """The rows; the protocol by which they are worded is read once, not for each of them."""
        self.definition = in_force()
        return super().get_queryset(request)

    @admin.display(description=_("event"), ordering="event")
    def event_words(self, row: Any) -> str:
        """The event of a row that has one, as a column."""
        return self.event_name(row.event)

    def event_name(self, code: str) -> str:
        """The name of an event."""
        return events(self.definition).get(code, code)

    def form_name(self, code: str) -> str:
        """The name of a form."""
        return forms(self.definition).get(code, code)

    def item_label(self, form: str, name: str) -> str:
        """The label beside the code of an item; the code alone where it is not known."""
        known = self.described(form)
        item = known.items.get(name) if known else None
        return f"{worded(item.label)} ({name})" if item else name

    def described(self, code: str) -> Form | None:
        """The form of that code."""
        known = self.definition.forms if self.definition else ()
        return next((form for form in known if form.code == code), None)


def in_force() -> Definition | None:
    """The definition in force; None before a protocol is loaded."""
    version = ProtocolVersion.objects.current()
    return version.definition if version else None


def worded(text: Text) -> str:
    """A text of the protocol in the reader's language."""
    return text.to(get_language() or "en")


def events(definition: Definition | None) -> Mapping[str, str]:
    """{code: name} of the events."""
    return {event.code: worded(event.name) for event in definition.visits} if definition else {}


def forms(definition: Definition | None) -> Mapping[str, str]:
    """{code: name} of the forms."""
    return {form.code: worded(form.name) for form in definition.forms} if definition else {}


def by_words(
    words: Callable[[Definition | None], Mapping[str, str]],
) -> type[AllValuesFieldListFilter]:
    """A filter by a column of codes that offers them in words."""

    class ByWords(AllValuesFieldListFilter):
        def choices(self, changelist: Any) -> Iterator[Any]:
            known = words(in_force())
            for choice in super().choices(changelist):
                yield {**choice, "display": known.get(str(choice["display"]), choice["display"])}

    return ByWords
