"""The base of admin windows: read-only, scoped, and closed until a capability is declared."""

from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from trialsite.audit.notes import note
from trialsite.staff.access import has


class Window(ModelAdmin):  # type: ignore[misc]
    """Shows rows of a table to whoever holds `view_capability`. Writing happens through services, never here."""

    view_capability: ClassVar[str] = ""
    # Whether each look at the rows is itself recorded in the trail.
    views_recorded: ClassVar[bool] = False
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    actions: ClassVar[Any] = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(self.view_capability) and has(request.user, self.view_capability)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        """Only what the actor may see, where the table knows hospitals."""
        rows = super().get_queryset(request)
        scoped: QuerySet[Model] = rows.visible_to(request.user) if hasattr(rows, "visible_to") else rows
        return scoped

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        self._record(request, "")
        return super().changelist_view(request, extra_context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        self._record(request, object_id)
        return super().change_view(request, object_id, form_url, extra_context)

    def _record(self, request: HttpRequest, key: str) -> None:
        viewer: Any = request.user
        if self.views_recorded and self.has_view_permission(request):
            note(actor=viewer, action="view", about=self.model._meta.db_table, key=key)
