"""Addresses of participants."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from trialsite.participants.api import ContactView, ParticipantViewSet

router = SimpleRouter()
router.register("participants", ParticipantViewSet)
urlpatterns = [*router.urls, path("participants/<str:code>/contact/", ContactView.as_view())]
