"""Start-up checks: whatever acts and declares no capability keeps every process from starting.

Views, admin windows and their actions, tasks of the worker, management commands.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.management import get_commands, load_command_class
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import autodiscover_modules

from trialsite.staff.capabilities import ALL


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every (path pattern, route), but those of the admin site itself: its windows guard them, checked below."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            if entry.app_name == "admin":
                continue
            yield from routes(entry, path)
        else:
            yield path, entry


def declared(view: Any) -> set[str]:
    """The capabilities that a view function or class declares, as a set; empty where none."""
    source = getattr(view, "cls", None) or getattr(view, "view_class", None) or view
    capability = getattr(view, "capability", None) or getattr(source, "capability", None)
    if not capability:
        return set()
    return {capability} if isinstance(capability, str) else set(capability.values())


@register()
def every_view_declares_a_capability(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Deny by default: staff.E001 names a view without a capability, staff.E002 one with an unknown name."""
    problems: list[CheckMessage] = []
    for path, route in routes():
        names = declared(route.callback)
        if not names:
            problems.append(Error(f"The view at /{path} declares no capability.", id="staff.E001"))
        elif not names <= ALL:
            problems.append(Error(f"The view at /{path} declares {sorted(names - ALL)}.", id="staff.E002"))
    return problems


@register()
def every_admin_window_declares_capabilities(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """staff.E003: an admin class needs `view_capability`; staff.E004: each action `capability`."""
    from django.contrib import admin

    problems: list[CheckMessage] = []
    for model, window in admin.site._registry.items():
        if getattr(window, "view_capability", None) not in ALL:
            problems.append(
                Error(f"{type(window).__name__} declares no capability to view.", id="staff.E003", obj=model)
            )
        for name in _actions(window):
            action = getattr(window, name, None)
            if getattr(action, "capability", None) not in ALL:
                problems.append(
                    Error(
                        f"Action {name} of {type(window).__name__} declares none.", id="staff.E004", obj=model
                    )
                )
    return problems


@register()
def every_task_declares_a_capability(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """staff.E005: a task needs `capability`, that of its system actor or `host`."""
    from celery import current_app

    autodiscover_modules("tasks")
    return [
        Error(f"The task {name} declares no capability.", id="staff.E005")
        for name, task in sorted(current_app.tasks.items())
        if not name.startswith("celery.") and getattr(task, "capability", None) not in ALL
    ]


@register()
def every_command_declares_a_capability(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """staff.E006: a management command of this project needs `capability`, or `host` where it acts for no account."""
    problems: list[CheckMessage] = []
    for name, app in sorted(get_commands().items()):
        command = load_command_class(app, name) if _ours(app) else None
        if command is not None and getattr(command, "capability", None) not in ALL:
            problems.append(Error(f"The command {name} declares no capability.", id="staff.E006"))
    return problems


def _ours(app: str) -> bool:
    """Whether the package lies in this project's folder, and not among the libraries."""
    package = sys.modules.get(app)
    folder = Path(package.__file__).resolve() if package and package.__file__ else None
    return folder is not None and folder.is_relative_to(settings.BASE_DIR) and ".venv" not in folder.parts


def _actions(window: Any) -> Iterator[str]:
    for attribute in ("actions", "actions_list", "actions_row", "actions_detail", "actions_submit_line"):
        for name in getattr(window, attribute, None) or ():
            if isinstance(name, str):
                yield name
