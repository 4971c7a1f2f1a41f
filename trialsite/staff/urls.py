"""Addresses of electronic signatures and of one's own tokens."""

from rest_framework.routers import SimpleRouter

from trialsite.staff.api import SignatureViewSet, TokenViewSet

router = SimpleRouter()
router.register("signatures", SignatureViewSet)
router.register("tokens", TokenViewSet)
urlpatterns = router.urls
