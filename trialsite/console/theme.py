"""Texts that the theme shows and does not translate by itself: marked here, so that the catalogue keeps them."""

from typing import Final

from django.utils.translation import gettext_noop as _

TEXTS: Final = (_("Welcome back to"), _("Type to search"))
