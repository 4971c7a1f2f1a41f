"""Addresses of imports."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from trialsite.imports import api

router = SimpleRouter()
router.register("imports", api.ImportViewSet)
urlpatterns = [
    path("imports/<int:id>/faults/", api.RowFaults.as_view()),
    path("", include(router.urls)),
]
