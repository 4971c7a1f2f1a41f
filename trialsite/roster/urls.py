"""Addresses of training, delegation log and review of access."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from trialsite.roster import api

router = SimpleRouter()
router.register("training", api.TrainingViewSet)
router.register("delegations", api.DelegationViewSet)
router.register("access-reviews", api.AccessReviewViewSet)
urlpatterns = [*router.urls, path("sites/<str:code>/access/", api.AccessReport.as_view())]
