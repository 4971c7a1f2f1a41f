"""Addresses of participants."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from trialsite.participants.api import ParticipantViewSet, consents, contacts, screening

router = SimpleRouter()
router.register("participants", ParticipantViewSet)
urlpatterns = [
    *router.urls,
    path("participants/<str:code>/contact/", contacts.ContactView.as_view()),
    path("participants/<str:code>/contact/erasure/", contacts.ContactErasure.as_view()),
    path("participants/<str:code>/withdrawals/", consents.Withdrawals.as_view()),
    path("participants/<str:code>/transfer/", screening.TransferView.as_view()),
    path("participants/<str:code>/identity/", screening.IdentityView.as_view()),
    path("participants/<str:code>/identity/unavailable/", screening.IdentityUnavailable.as_view()),
    path("screening-log/", screening.ScreeningLog.as_view()),
    path("same-persons/", screening.SamePersons.as_view()),
    path("contacts/search/", contacts.ContactSearch.as_view()),
    path("consent-forms/", consents.ConsentForms.as_view()),
    path("consent-forms/<int:pk>/retirement/", consents.ConsentFormRetirement.as_view()),
    path("consents/owed/", consents.ConsentsOwed.as_view()),
]
