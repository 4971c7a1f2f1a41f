"""Addresses of the ledger."""

from django.urls import path

from randomization import api

urlpatterns = [
    path("randomization/", api.Randomization.as_view()),
    path("randomization/ledger/", api.Ledger.as_view()),
    path("randomization/heads/", api.Heads.as_view()),
    path("randomization/strata/", api.Strata.as_view()),
    path("randomization/steering/", api.Steering.as_view()),
    path("randomization/void-envelopes/", api.VoidEnvelopes.as_view()),
    path("randomization/attestations/", api.Attestations.as_view()),
    path("randomization/access/", api.AccessLog.as_view()),
    path("randomization/access/acts/", api.Acts.as_view()),
]
