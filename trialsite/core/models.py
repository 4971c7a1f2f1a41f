"""The base of every table."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from trialsite.core import clock


class Base(models.Model):
    """A row with a number and the instant of its creation (UTC)."""

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(_("created at"), default=clock.now, editable=False)

    class Meta:
        abstract = True
