"""An electronic signature on paper."""

from reportlab.platypus import Table

from trialsite.core.paper import paragraph, ruled
from trialsite.staff import signatures
from trialsite.staff.models import Signature


def signature_block(signature: Signature, *, zone: str) -> Table:
    """A table to put under the signed content: the same lines as on screen."""
    lines = signatures.manifest(signature, zone=zone)
    return ruled([[paragraph(label), paragraph(value)] for label, value in lines], widths=(110, 380))
