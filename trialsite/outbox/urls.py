"""Addresses of messages."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from trialsite.outbox.api import PreferencesView, ReminderViewSet

router = SimpleRouter()
router.register("reminders", ReminderViewSet, basename="reminder")
urlpatterns = [
    path("reminders/preferences/", PreferencesView.as_view(), name="reminder-preferences"),
    *router.urls,
]
