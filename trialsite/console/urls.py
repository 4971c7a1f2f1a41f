"""Addresses of the pages, all below /admin/."""

from django.urls import path

from trialsite.console.pages import (
    activations,
    contacts,
    mail,
    messages,
    participant,
    records,
    steps,
    trail,
    visits,
    worklist,
)

urlpatterns = [
    path("worklist/", worklist.Worklist.as_view(), name="worklist"),
    path("message/<int:message>/", messages.DecidePage.as_view(), name="message"),
    path("my-messages/", messages.MyMessages.as_view(), name="my-messages"),
    path("mail/", mail.MailPage.as_view(), name="mail"),
    path("trail/", trail.TrailPage.as_view(), name="trail"),
    path("trail.csv", trail.TrailCsv.as_view(), name="trail-csv"),
    path("activations/", activations.ActivationsPage.as_view(), name="activations"),
    path(
        "activations/<str:site>/<str:version>/sign/",
        activations.SignActivationPage.as_view(),
        name="activation-sign",
    ),
    path(
        "activations/<str:site>/<str:version>/cancel/",
        activations.CancelActivationPage.as_view(),
        name="activation-cancel",
    ),
    path("register/", steps.RegisterPage.as_view(), name="register"),
    path("participant/<str:code>/", participant.ParticipantPage.as_view(), name="participant"),
    path("participant/<str:code>/consent/", steps.ConsentPage.as_view(), name="step-consent"),
    path("participant/<str:code>/sign_eligibility/", steps.SignPage.as_view(), name="step-sign_eligibility"),
    path("participant/<str:code>/fail_screening/", steps.FailPage.as_view(), name="step-fail_screening"),
    path("participant/<str:code>/operate/", records.SurgeryPage.as_view(), name="step-operate"),
    path("participant/<str:code>/randomize/", steps.RandomizePage.as_view(), name="step-randomize"),
    path("participant/<str:code>/start_sbrt/", records.SbrtPage.as_view(), name="step-start_sbrt"),
    path("participant/<str:code>/complete/", steps.CompletePage.as_view(), name="step-complete"),
    path("participant/<str:code>/withdraw/", records.WithdrawalPage.as_view(), name="step-withdraw"),
    path("participant/<str:code>/record_death/", records.DeathPage.as_view(), name="step-record_death"),
    path("participant/<str:code>/contact/", contacts.ContactPage.as_view(), name="contact"),
    path("participant/<str:code>/contact/erase/", contacts.ErasurePage.as_view(), name="contact-erase"),
    path("search/", contacts.SearchPage.as_view(), name="search"),
    path("participant/<str:code>/form/<str:event>/<str:form>/", records.FormPage.as_view(), name="form"),
    path("visit/<int:pk>/book/", visits.BookPage.as_view(), name="visit-book"),
    path("visit/<int:pk>/attend/", visits.AttendPage.as_view(), name="visit-attend"),
    path("visit/<int:pk>/miss/", visits.MissPage.as_view(), name="visit-miss"),
]
