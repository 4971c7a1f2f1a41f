from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class StaffConfig(AppConfig):
    name = "trialsite.staff"
    label = "staff"
    verbose_name = _("Staff")

    def ready(self) -> None:
        from trialsite.staff import checks  # noqa: F401 -- registers the start-up checks
