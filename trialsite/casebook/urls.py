"""Addresses of records, scores and queries."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from trialsite.casebook import amending_api, api, limits_api, review_api, schema_api, verification_api

router = SimpleRouter()
router.register("queries", review_api.QueryViewSet)
router.register("locks", review_api.LockViewSet)
urlpatterns = [
    path("protocol/forms/<str:code>/schema/", schema_api.FormSchema.as_view()),
    path("limits/", limits_api.Limits.as_view()),
    path("limits/<int:id>/withdraw/", limits_api.LimitWithdraw.as_view()),
    path("", include(router.urls)),
    path("participants/<str:code>/casebook-signature/", review_api.CasebookSignatures.as_view()),
    path(
        "participants/<str:code>/records/<str:event>/<str:form>/<int:repeat>/verification/",
        verification_api.VerificationView.as_view(),
    ),
    path(
        "participants/<str:code>/records/<str:event>/<str:form>/<int:repeat>/verification/<int:id>/withdraw/",
        verification_api.TakeBackView.as_view(),
    ),
    path(
        "participants/<str:code>/records/<str:event>/<str:form>/<int:repeat>/migration/",
        amending_api.MigrationView.as_view(),
    ),
    path("participants/<str:code>/records/", api.Records.as_view()),
    path("participants/<str:code>/scores/", api.Scores.as_view()),
    path("participants/<str:code>/queries/", api.Queries.as_view()),
    path("participants/<str:code>/records/<str:event>/<str:form>/", api.RecordView.as_view()),
    path("participants/<str:code>/records/<str:event>/<str:form>/<int:repeat>/", api.RepeatView.as_view()),
]
