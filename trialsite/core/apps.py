from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "trialsite.core"
    label = "core"
    verbose_name = _("Core")

    def ready(self) -> None:
        # Every process that speaks Django must know the broker, or `shared_task` falls back to one of its own.
        import_module("trialsite.celery_app")
