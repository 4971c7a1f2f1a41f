"""Addresses of visits and reminders."""

from rest_framework.routers import SimpleRouter

from visits.api import ReminderViewSet, VisitViewSet

router = SimpleRouter()
router.register("visits", VisitViewSet)
router.register("reminders", ReminderViewSet, basename="reminder")
urlpatterns = router.urls
