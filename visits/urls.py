"""Addresses of visits."""

from rest_framework.routers import SimpleRouter

from visits.api import VisitViewSet
from visits.api_days import ClinicViewSet, FeedViewSet, HolidayViewSet, YearViewSet

router = SimpleRouter()
router.register("visits", VisitViewSet)
router.register("holidays", HolidayViewSet)
router.register("holiday-years", YearViewSet)
router.register("clinic-days", ClinicViewSet)
router.register("feeds", FeedViewSet)
urlpatterns = router.urls
