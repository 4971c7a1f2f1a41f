"""Addresses of the pages, all below /admin/."""

from django.urls import path

from trialsite.console import pages

urlpatterns = [
    path("worklist/", pages.Worklist.as_view(), name="worklist"),
    path("mail/", pages.MailPage.as_view(), name="mail"),
    path("trail/", pages.TrailPage.as_view(), name="trail"),
    path("trail.csv", pages.TrailCsv.as_view(), name="trail-csv"),
    path("register/", pages.RegisterPage.as_view(), name="register"),
    path("participant/<str:code>/", pages.ParticipantPage.as_view(), name="participant"),
    path("participant/<str:code>/consent/", pages.ConsentPage.as_view(), name="step-consent"),
    path("participant/<str:code>/sign_eligibility/", pages.SignPage.as_view(), name="step-sign_eligibility"),
    path("participant/<str:code>/fail_screening/", pages.FailPage.as_view(), name="step-fail_screening"),
    path("participant/<str:code>/operate/", pages.SurgeryPage.as_view(), name="step-operate"),
    path("participant/<str:code>/randomize/", pages.RandomizePage.as_view(), name="step-randomize"),
    path("participant/<str:code>/start_sbrt/", pages.SbrtPage.as_view(), name="step-start_sbrt"),
    path("participant/<str:code>/complete/", pages.CompletePage.as_view(), name="step-complete"),
    path("participant/<str:code>/withdraw/", pages.WithdrawalPage.as_view(), name="step-withdraw"),
    path("participant/<str:code>/record_death/", pages.DeathPage.as_view(), name="step-record_death"),
    path("participant/<str:code>/contact/", pages.ContactPage.as_view(), name="contact"),
    path("participant/<str:code>/form/<str:event>/<str:form>/", pages.FormPage.as_view(), name="form"),
    path("visit/<int:pk>/book/", pages.BookPage.as_view(), name="visit-book"),
    path("visit/<int:pk>/attend/", pages.AttendPage.as_view(), name="visit-attend"),
    path("visit/<int:pk>/miss/", pages.MissPage.as_view(), name="visit-miss"),
]
