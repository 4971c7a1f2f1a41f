"""`{% signature signed %}` shows an electronic signature the same way on every page."""

from typing import Any

from django import template

from trialsite.staff import signatures
from trialsite.staff.models import Signature

register = template.Library()


@register.inclusion_tag("staff/signature.html")
def signature(signed: Signature, zone: str = "Asia/Shanghai") -> dict[str, Any]:
    """The lines of `signed`, with wall-clock times of `zone` (IANA name) beside UTC."""
    return {"lines": signatures.manifest(signed, zone=zone), "standing": signed.standing}
