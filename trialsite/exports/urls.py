"""Addresses of exports."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from trialsite.exports import api
from trialsite.exports.papers import api as papers

router = SimpleRouter()
router.register("exports/snapshots", api.SnapshotViewSet)
urlpatterns = [
    path("exports/", api.Tables.as_view()),
    path("exports/<slug:name>.csv", api.TableCsv.as_view()),
    path("protocol/blank-forms.pdf", papers.BlankForms.as_view()),
    path("participants/<str:code>/sae/<int:repeat>/narrative.pdf", papers.NarrativePdf.as_view()),
    path("participants/<str:code>/casebook.pdf", papers.CasebookPdf.as_view()),
    path("", include(router.urls)),
]
