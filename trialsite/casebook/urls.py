"""Addresses of records, scores and queries."""

from django.urls import path

from trialsite.casebook import api

urlpatterns = [
    path("limits/", api.Limits.as_view()),
    path("limits/<int:id>/withdraw/", api.LimitWithdraw.as_view()),
    path("participants/<str:code>/records/", api.Records.as_view()),
    path("participants/<str:code>/scores/", api.Scores.as_view()),
    path("participants/<str:code>/queries/", api.Queries.as_view()),
    path("participants/<str:code>/records/<str:event>/<str:form>/", api.RecordView.as_view()),
    path("participants/<str:code>/records/<str:event>/<str:form>/<int:repeat>/", api.RepeatView.as_view()),
]
