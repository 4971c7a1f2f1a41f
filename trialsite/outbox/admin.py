"""Window on messages, with the one thing that a person does: try a failed or uncertain one again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trialsite.core.errors import DomainError
from trialsite.outbox.models import Message
from trialsite.outbox.services import retry
from trialsite.staff.access import has
from trialsite.staff.capabilities import REMINDER_MANAGE, REMINDER_VIEW
from trialsite.staff.windows import Window


@admin.register(Message)
class MessageWindow(Window):
    """Messages and their fate."""

    view_capability = REMINDER_VIEW
    list_display = (
        "subject_code",
        "about",
        "to_whom",
        "due_at",
        "state",
        "attempts",
        "result",
        "finished_at",
    )
    list_filter = ("state", "kind", "site")
    search_fields = ("subject_code",)
    actions = ("try_again",)

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        return rows.with_names()

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def about(self, message: Message) -> str:
        return str(message.payload.get("rule", message.kind))

    @admin.display(description=gettext_lazy("recipient"))
    def to_whom(self, message: Any) -> str:
        return message.recipient_name or _("participant")

    @admin.display(description=gettext_lazy("answer"))
    def result(self, message: Message) -> str:
        return message.told

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
