"""Every route there is, read from the resolver, the description of the API and the admin site."""

import re
from collections.abc import Iterator
from typing import Any, Final

from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

API: Final = "api/v1/"
# What Django makes of each table in the admin site, below the table's own address.
OF_A_WINDOW: Final = (
    *("", "add/", "<path:object_id>/history/", "<path:object_id>/delete/"),
    *("<path:object_id>/change/", "<path:object_id>/"),
)


def patterns(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """(path, route) of every pattern, those of the admin site too; of two at one path the first answers."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, path)
        else:
            yield path, entry


def described() -> dict[str, dict[str, Any]]:
    """{"METHOD /path/": its description} of each operation below /api/v1/."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return {
        f"{method.upper()} {path.removeprefix('/api/v1')}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def example(operation: dict[str, Any]) -> Any:
    """The body that the description gives as an example."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return next((one["value"] for one in content.get("examples", {}).values()), None)


def windows() -> dict[str, str]:
    """{table: address of its window in the admin site}."""
    return {
        model._meta.db_table: f"admin/{model._meta.app_label}/{model._meta.model_name}/"
        for model in admin.site._registry
    }


def pages() -> set[str]:
    """ "METHOD path" of everything else: pages, papers, feeds, and what the admin site has beside its windows."""
    of_windows = {address + rest for address in windows().values() for rest in OF_A_WINDOW}
    found: dict[str, URLPattern] = {}
    for path, route in patterns():
        # Two patterns of the admin site are expressions: the list of a room's windows, and whatever fits nothing.
        if path not in of_windows and not path.startswith(API) and "(?P" not in path:
            found.setdefault(path, route)
    return {f"{method} {path}" for path, route in found.items() for method in methods(route.callback)}


def methods(view: Any) -> tuple[str, ...]:
    """Of GET and POST those that a page answers; a function answers both."""
    page = getattr(view, "view_class", None)
    names = [name for name in ("get", "post") if page is None or hasattr(page, name)]
    return tuple(name.upper() for name in names if page is None or name in page.http_method_names)


def shape(path: str) -> str:
    """The path, or the expression that stands for it, without the names of its parameters."""
    parameter = r"\(\?P<\w+>[^)]*\)|<[^>]*>|\{[^}]*\}"
    return re.sub(parameter, "*", path).replace("^", "").rstrip("$").replace("\\", "")


def own_transaction(view: Any) -> bool:
    """Whether what the view does is committed before it answers."""
    source = getattr(view, "cls", None) or getattr(view, "view_class", view)
    return bool(getattr(source, "own_transaction", False))
