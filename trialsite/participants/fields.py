"""A column that was encrypted as one value, before each participant had a data key. Migration 0001 alone names it."""

from django.db import models


class SealedText(models.TextField):  # type: ignore[type-arg]
    """Plain text to the database."""
