"""Addresses of visits."""

from rest_framework.routers import SimpleRouter

from visits.api import VisitViewSet

router = SimpleRouter()
router.register("visits", VisitViewSet)
urlpatterns = router.urls
