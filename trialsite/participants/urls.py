"""Addresses of participants."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from trialsite.participants.api import ContactErasure, ContactSearch, ContactView, ParticipantViewSet

router = SimpleRouter()
router.register("participants", ParticipantViewSet)
urlpatterns = [
    *router.urls,
    path("participants/<str:code>/contact/", ContactView.as_view()),
    path("participants/<str:code>/contact/erasure/", ContactErasure.as_view()),
    path("contacts/search/", ContactSearch.as_view()),
]
