"""Addresses of safety."""

from django.urls import path

from trialsite.safety import api

urlpatterns = [
    path("safety/", api.Reports.as_view()),
    path("safety/reconciliation/", api.Reconciliation.as_view()),
    path("participants/<str:code>/sae/<int:repeat>/steps/", api.Steps.as_view()),
]
