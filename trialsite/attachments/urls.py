"""Addresses of attachments."""

from django.urls import path

from trialsite.attachments import api

urlpatterns = [
    path("participants/<str:code>/attachments/", api.Attachments.as_view()),
    path("participants/<str:code>/attachments/<int:id>/file/", api.AttachmentFile.as_view()),
    path("participants/<str:code>/attachments/<int:id>/withdraw/", api.AttachmentWithdrawal.as_view()),
]
