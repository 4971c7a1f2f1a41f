"""The REST API, version 1: composition only."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from trialsite.staff.capabilities import PUBLIC


class Schema(SpectacularAPIView):
    """The OpenAPI 3.1 description."""

    capability = PUBLIC


class Docs(SpectacularSwaggerSplitView):
    """The description as a page; all its files are served from here."""

    capability = PUBLIC


urlpatterns = [
    path("schema/", Schema.as_view(), name="schema"),
    path("docs/", Docs.as_view(url_name="schema"), name="docs"),
    path("", include("trialsite.enrollment.urls")),
    path("", include("trialsite.participants.urls")),
    path("", include("trialsite.casebook.urls")),
    path("", include("trialsite.attachments.urls")),
    path("", include("trialsite.exports.urls")),
    path("", include("trialsite.imports.urls")),
    path("", include("visits.urls")),
    path("", include("trialsite.safety.urls")),
    path("", include("trialsite.outbox.urls")),
    path("", include("randomization.urls")),
    path("", include("trialsite.protocol.urls")),
    path("", include("trialsite.sites.urls")),
    path("", include("trialsite.roster.urls")),
    path("", include("trialsite.staff.urls")),
]
