"""Addresses of the door, outside of /admin/."""

from django.urls import path

from trialsite.console.pages import door

urlpatterns = [
    path("sign-in/", door.SignIn.as_view(), name="account_login"),
    path("sign-in/code/", door.Code.as_view(), name="mfa_authenticate"),
    path("sign-out/", door.SignOut.as_view(), name="account_logout"),
    path("invitation/<str:number>/<str:secret>/", door.InvitationPage.as_view(), name="invitation"),
]
