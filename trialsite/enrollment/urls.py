"""Addresses of the steps."""

from django.urls import path

from trialsite.enrollment.api import allocations, consents, eligibility, ends, flow, randomizing, treatment

urlpatterns = [
    path("consort/", flow.Consort.as_view()),
    path("amendments/<str:old>/<str:new>/", flow.AmendmentView.as_view()),
    path("participants/<str:code>/breaches/", eligibility.Breaches.as_view()),
    path("participants/register/", consents.Register.as_view()),
    path("participants/<str:code>/consent/", consents.Consents.as_view()),
    path("participants/<str:code>/reconsent/", consents.Reconsent.as_view()),
    path("participants/<str:code>/eligibility/", eligibility.Eligibility.as_view()),
    path("participants/<str:code>/planned-surgery/", eligibility.PlannedSurgery.as_view()),
    path("participants/<str:code>/screen-failure/", eligibility.FailScreening.as_view()),
    path("participants/<str:code>/rescreening/", eligibility.Rescreening.as_view()),
    path("participants/<str:code>/surgery/", treatment.Surgery.as_view()),
    path("participants/<str:code>/forgo-randomization/", treatment.Forgo.as_view()),
    path("participants/<str:code>/forgo-randomization/revoke/", treatment.Resume.as_view()),
    path("participants/<str:code>/randomize/", randomizing.Randomize.as_view()),
    path("participants/<str:code>/envelope/", randomizing.Envelope.as_view()),
    path("participants/<str:code>/treatment/", treatment.StartTreatment.as_view()),
    path("participants/<str:code>/treatment-end/", treatment.EndTreatment.as_view()),
    path("participants/<str:code>/allocation/", randomizing.AllocationView.as_view()),
    path("participants/<str:code>/certificate/", allocations.Certificate.as_view()),
    path("participants/<str:code>/proof/", allocations.Proof.as_view()),
    path("participants/<str:code>/randomized-in-error/", allocations.Mark.as_view()),
    path("participants/<str:code>/completion/", ends.Completion.as_view()),
    path("participants/<str:code>/death/", ends.Death.as_view()),
    path("participants/<str:code>/withdrawal/", ends.Withdrawal.as_view()),
]
