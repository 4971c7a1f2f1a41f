"""Window on messages and their fate. What a person must decide is found by the first filter."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from unfold.decorators import display

from trialsite.core.errors import DomainError
from trialsite.outbox import rules
from trialsite.outbox.models import Message
from trialsite.outbox.services import retry
from trialsite.staff.access import has
from trialsite.staff.capabilities import REMINDER_MANAGE, REMINDER_VIEW
from trialsite.staff.windows import Window


class WorkFilter(admin.SimpleListFilter):
    """Those that a person must decide."""

    title = gettext_lazy("to work off")
    parameter_name = "work"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("open", _("failed or uncertain"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(state__in=rules.FOR_PERSON) if self.value() == "open" else queryset


class KindFilter(admin.SimpleListFilter):
    """Kinds by their titles."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return list(settings.OUTBOX_TITLES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Message)
class MessageWindow(Window):
    """Messages and their fate."""

    view_capability = REMINDER_VIEW
    list_display = ("fate", "about", "what", "to_whom", "by_way_of", "due_at", "attempts", "result", "decide")
    list_display_links = ("about",)
    list_filter = (WorkFilter, "state", KindFilter, "channel", "site")
    list_select_related = ("site",)
    search_fields = ("subject_code",)
    search_help_text = gettext_lazy("code of a participant")
    actions = ("try_again",)
    fields = (
        "subject_code",
        "kind",
        "payload",
        "recipient",
        "channel",
        "via",
        "site",
        "due_at",
        "state",
        "attempts",
        "finished_at",
        "answer",
        "worked_off_by",
        "worked_off_because",
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        return rows.with_names().with_titles(get_language() or "en")

    @display(  # type: ignore[untyped-decorator]
        description=gettext_lazy("state"),
        ordering="state",
        label={
            "sent": "success",
            "failed": "danger",
            "uncertain": "warning",
            "pending": "info",
            "sending": "info",
        },
    )
    def fate(self, message: Message) -> tuple[str, str]:
        return message.state, message.get_state_display()

    @admin.display(description=gettext_lazy("about"), ordering="subject_code")
    def about(self, message: Message) -> str:
        return message.subject_code or message.site.code

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def what(self, message: Any) -> str:
        return str(message.title)

    @admin.display(description=gettext_lazy("recipient"))
    def to_whom(self, message: Any) -> str:
        return message.recipient_name or _("participant")

    @admin.display(description=gettext_lazy("channel"), ordering="channel")
    def by_way_of(self, message: Message) -> str:
        return str(message.get_via_display() or message.get_channel_display())

    @admin.display(description=gettext_lazy("answer"))
    def result(self, message: Message) -> str:
        return message.worked_off_because or message.told

    @admin.display(description="")
    def decide(self, message: Message) -> str:
        """A link, in the list of whoever may decide."""
        if message.state not in rules.FOR_PERSON:
            return ""
        return format_html('<a href="{}">{}</a>', reverse("message", args=[message.pk]), _("Decide"))

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return shown if has(request.user, REMINDER_MANAGE) else [one for one in shown if one != "decide"]

    @admin.action(description=gettext_lazy("Try failed or uncertain messages again"))
    def try_again(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Put the chosen messages back into the queue; those in another state are named."""
        actor: Any = request.user
        tried = 0
        for message in queryset:
            try:
                retry(actor=actor, message=message)
                tried += 1
            except DomainError as error:
                messages.error(request, f"{message.subject_code}: {error}")
        if tried:
            messages.success(request, _("{number} will be tried again.").format(number=tried))

    try_again.capability = REMINDER_MANAGE  # type: ignore[attr-defined]

    def get_actions(self, request: HttpRequest) -> Any:
        return super().get_actions(request) if has(request.user, REMINDER_MANAGE) else {}
