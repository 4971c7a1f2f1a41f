"""Addresses of the steps."""

from django.urls import path

from trialsite.enrollment import allocation_api, api, flow_api

urlpatterns = [
    path("consort/", flow_api.Consort.as_view()),
    path("amendments/<str:old>/<str:new>/", flow_api.AmendmentView.as_view()),
    path("participants/<str:code>/breaches/", api.Breaches.as_view()),
    path("participants/register/", api.Register.as_view()),
    path("participants/<str:code>/consent/", api.Consents.as_view()),
    path("participants/<str:code>/reconsent/", api.Reconsent.as_view()),
    path("participants/<str:code>/eligibility/", api.Eligibility.as_view()),
    path("participants/<str:code>/screen-failure/", api.FailScreening.as_view()),
    path("participants/<str:code>/rescreening/", api.Rescreening.as_view()),
    path("participants/<str:code>/surgery/", api.Surgery.as_view()),
    path("participants/<str:code>/forgo-randomization/", api.Forgo.as_view()),
    path("participants/<str:code>/randomize/", api.Randomize.as_view()),
    path("participants/<str:code>/envelope/", api.Envelope.as_view()),
    path("participants/<str:code>/sbrt/", api.StartSbrt.as_view()),
    path("participants/<str:code>/sbrt-end/", api.EndSbrt.as_view()),
    path("participants/<str:code>/allocation/", api.AllocationView.as_view()),
    path("participants/<str:code>/certificate/", allocation_api.Certificate.as_view()),
    path("participants/<str:code>/proof/", allocation_api.Proof.as_view()),
    path("participants/<str:code>/randomized-in-error/", allocation_api.Mark.as_view()),
    path("participants/<str:code>/completion/", api.Completion.as_view()),
    path("participants/<str:code>/death/", api.Death.as_view()),
    path("participants/<str:code>/withdrawal/", api.Withdrawal.as_view()),
]
