"""Addresses of one's own tokens."""

from rest_framework.routers import SimpleRouter

from trialsite.staff.api import TokenViewSet

router = SimpleRouter()
router.register("tokens", TokenViewSet)
urlpatterns = router.urls
