"""Reading a file for a form: with the items of all versions that the actor knows."""

import json
from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from trialsite.casebook.deviations import TERM
from trialsite.casebook.errors import DrivenForm
from trialsite.core.errors import NotFound
from trialsite.exports.columns import united
from trialsite.imports.errors import FileRefused
from trialsite.imports.rows import Row, Unreadable, from_csv, from_list
from trialsite.protocol.definition import Item
from trialsite.protocol.models import ProtocolVersion
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import ARM_SEE
from trialsite.staff.models import User

_SENTENCES = {
    "not_csv": _("This is not CSV (line {names})."),
    "empty": _("The file is empty."),
    "unknown_columns": _("The form has no such columns: {names}."),
    "columns_twice": _("These columns stand there twice: {names}."),
    "columns_lacking": _("These columns are needed: {names}."),
}


def table_of(actor: User, code: str) -> list[Item]:
    """The items of a form in all versions, newest description first. Raises NotFound, DrivenForm."""
    versions = [
        form
        for version in ProtocolVersion.objects.visible_to(actor).defer("document").order_by("id")
        for form in version.definition.forms
        if form.code == code
    ]
    if not versions or (versions[-1].reveals_arm and sites_of(actor, ARM_SEE) == []):
        raise NotFound
    if versions[-1].drives:
        raise DrivenForm(form=versions[-1].name)
    return united(versions)


def read(content: bytes, format: str, items: Sequence[Item]) -> list[Row]:
    """The rows of a stored file. Raises FileRefused."""
    if format == "rows":
        return from_list(json.loads(content))
    try:
        return from_csv(content.decode().removeprefix("\ufeff"), items, worded=TERM)
    except Unreadable as wrong:
        names = ", ".join(_printable(name) for name in wrong.names[:20])
        raise FileRefused(fields={"csv": [str(_SENTENCES[wrong.code]).format(names=names)]}) from wrong


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name[:60]) or "\u201c\u201d"
