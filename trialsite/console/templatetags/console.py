"""What the templates need beside Django's own tags."""

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import get_language

from trialsite.enrollment.steps import Step
from trialsite.protocol.definition import Text

register = template.Library()


@register.filter
def text(value: Text | None) -> str:
    """A text of the protocol in the reader's language."""
    return value.to(get_language() or "en") if value else ""


@register.simple_tag
def banner() -> str:
    """The style sheet that says on every page that this is no place for patients; empty in production."""
    return "" if settings.TRIALSITE_ENV == "prod" else static(f"console/banner-{settings.TRIALSITE_ENV}.css")


@register.simple_tag
def step_url(step: Step, code: str) -> str:
    """The page of a step."""
    return reverse(f"step-{step.code}", kwargs={"code": code})
