"""How long lists are cut."""

from rest_framework.pagination import CursorPagination


class Pages(CursorPagination):
    """Pages by cursor: stable while rows are added, equally fast at the end of a long list."""

    page_size = 50
    max_page_size = 500
    page_size_query_param = "page_size"
    ordering: str | tuple[str, ...] = "-id"


class NewestFirst(Pages):
    """For rows whose keys are drawn at random and tell no order."""

    ordering = ("-created_at", "-id")
