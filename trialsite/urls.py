"""Addresses: composition only."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from trialsite.core.health import Live, Ready
from trialsite.staff.capabilities import PUBLIC
from visits.feeds import FeedView


class Home(RedirectView):
    """The way in for people."""

    capability = PUBLIC
    pattern_name = "admin:index"


# Whoever comes to the admin as a stranger is sent to the one door, or the second factor would be passed by.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
set_language.capability = PUBLIC  # type: ignore[attr-defined]

# Also where no view was reached: a database that is not there is told as such.
handler500 = "trialsite.core.outage.handler500"
handler404 = "trialsite.core.http.not_found"

urlpatterns = [
    path("", Home.as_view(), name="home"),
    path("healthz/live", Live.as_view(), name="live"),
    path("healthz/ready", Ready.as_view(), name="ready"),
    path("i18n/setlang/", set_language, name="set_language"),
    path("calendar/<str:secret>.ics", FeedView.as_view(), name="feed"),
    path("", include("trialsite.console.door_urls")),
    path("admin/", include("trialsite.console.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("trialsite.api_urls")),
]
