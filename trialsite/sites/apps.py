from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class HospitalsConfig(AppConfig):
    name = "trialsite.sites"
    label = "sites"
    verbose_name = _("Hospitals")
