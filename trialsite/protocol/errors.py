"""Why a protocol folder is refused."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, Invalid
from trialsite.protocol.reader import Problem


class BadProtocol(Invalid):
    """The folder has mistakes; `problems` lists all of them. Nothing was stored."""

    code = "bad_protocol"
    message = _("{count} mistakes in the protocol; nothing was stored.\n{listing}")

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(count=len(problems), listing="\n".join(str(problem) for problem in problems))
        self.problems = list(problems)


class VersionTaken(Conflict):
    """A loaded version never changes; other content needs another version name."""

    code = "protocol_version_taken"
    message = _(
        "Version {version} of {trial} is already loaded with other content. Raise the version in protocol.yaml."
    )
