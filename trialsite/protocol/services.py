"""Loading a protocol folder: all of it or nothing."""

from pathlib import Path
from typing import Any

from trialsite.audit.context import acting
from trialsite.protocol.continuity import broken
from trialsite.protocol.errors import BadProtocol, VersionTaken
from trialsite.protocol.models import ProtocolVersion
from trialsite.protocol.reader import Problem, read, sha256
from trialsite.staff.access import require_everywhere
from trialsite.staff.capabilities import PROTOCOL_LOAD
from trialsite.staff.models import User


def load(*, actor: User, folder: Path) -> ProtocolVersion:
    """Store the folder as a version; the same content again gives the same row.

    Raises BadProtocol with every mistake, also where an item has another unit or type than in an earlier version, or
    VersionTaken when the version's name stands for other content.
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
        _require_continuity(document)
        return ProtocolVersion.objects.create(
            trial_id=trial["id"], version=trial["version"], sha256=content, document=document, loaded_by=actor
        )


def _require_continuity(document: dict[str, Any]) -> None:
    """Raise BadProtocol where an item holds something else than in a version that is loaded."""
    earlier = ProtocolVersion.objects.filter(trial_id=document["trial"]["id"]).order_by("pk")
    problems = {
        Problem(f"forms/{form}.yaml", path, sentence)
        for version in earlier
        for form, path, sentence in broken(version.document, document)
    }
    if problems:
        raise BadProtocol(sorted(problems))
