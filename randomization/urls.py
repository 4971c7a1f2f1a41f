"""Addresses of the ledger."""

from django.urls import path

from randomization import api

urlpatterns = [
    path("randomization/", api.Randomization.as_view()),
    path("randomization/ledger/", api.Ledger.as_view()),
]
