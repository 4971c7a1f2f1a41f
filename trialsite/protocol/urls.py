"""Addresses of the definition."""

from django.urls import path

from trialsite.protocol import api

urlpatterns = [
    path("protocol/", api.Current.as_view()),
    path("protocol/forms/<str:code>/", api.Form.as_view()),
]
