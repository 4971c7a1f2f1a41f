"""Loading a protocol folder: all of it or nothing."""

from pathlib import Path

from trialsite.audit.context import acting
from trialsite.protocol.errors import BadProtocol, VersionTaken
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.reader import read, sha256
from trialsite.staff.access import require_everywhere
from trialsite.staff.capabilities import PROTOCOL_LOAD
from trialsite.staff.models import User


def load(*, actor: User, folder: Path) -> ProtocolVersion:
    """Store the folder as a version; the same content again gives the same row.

    Raises BadProtocol with every mistake, or VersionTaken when the version's name stands for other content.
    """
    require_everywhere(actor, PROTOCOL_LOAD)
    document, problems = read(folder)
    if problems:
        raise BadProtocol(problems)
    trial, content = document["trial"], sha256(document)
    with acting(actor):
        same = ProtocolVersion.objects.filter(sha256=content).first()
        if same:
            return same
        if ProtocolVersion.objects.filter(trial_id=trial["id"], version=trial["version"]).exists():
            raise VersionTaken(version=trial["version"], trial=trial["id"])
        return ProtocolVersion.objects.create(
            trial_id=trial["id"], version=trial["version"], sha256=content, document=document, loaded_by=actor
        )
