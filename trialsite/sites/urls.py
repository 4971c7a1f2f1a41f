"""Addresses of the hospitals."""

from rest_framework.routers import SimpleRouter

from trialsite.sites.api import SiteViewSet

router = SimpleRouter()
router.register("sites", SiteViewSet)
urlpatterns = router.urls
