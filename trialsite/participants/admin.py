"""The list of participants; each links to the participant's page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from trialsite.participants.models import Participant
from trialsite.staff.capabilities import PARTICIPANT_VIEW
from trialsite.staff.windows import Window


@admin.register(Participant)
class ParticipantWindow(Window):
    """Participants of one's hospitals."""

    view_capability = PARTICIPANT_VIEW
    list_display = ("page", "site", "status", "created_at")
    list_display_links = None
    list_filter = ("status", "site")
    list_select_related = ("site",)
    search_fields = ("code",)

    @admin.display(description=_("code"), ordering="code")
    def page(self, participant: Participant) -> SafeString:
        """The code, which leads to the participant's page."""
        return format_html(
            '<a href="/admin/participant/{0}/" class="font-semibold">{0}</a>', participant.code
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        found = self.get_queryset(request).filter(pk=object_id).first() if object_id.isdecimal() else None
        if found is None:
            return redirect("admin:participants_participant_changelist")
        return redirect("participant", code=str(found))
