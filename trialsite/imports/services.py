"""Taking files in: read as a whole at once, stored with their hash, handed to the worker."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from django.utils.translation import gettext as _

from trialsite.audit.context import acting, token_session
from trialsite.core.errors import Invalid, NotFound
from trialsite.core.queue import enqueue_on_commit
from trialsite.imports.errors import FileRefused, NotTried
from trialsite.imports.models import Import, ImportFile
from trialsite.imports.reading import read, table_of
from trialsite.imports.tasks import work_off
from trialsite.staff.access import require, sites_of
from trialsite.staff.capabilities import RECORD_EDIT
from trialsite.staff.models import User

MOST_BYTES: Final = 2 * 1024 * 1024
MOST_ROWS: Final = 10_000


def request_import(
    *,
    actor: User,
    form: str,
    reason: str,
    csv: str | None = None,
    rows: Sequence[Any] | None = None,
    dry_run: bool = False,
) -> tuple[Import, bool]:
    """Take a file in for `form`; the worker saves its rows, or only tries them where `dry_run`.

    Returns the import and whether it is new: a file that waits is not taken in twice. One that is done may come again;
    its rows then change nothing. Raises FileRefused naming columns or size, NotFound, DrivenForm.
    """
    with acting(actor, reason=reason):
        require(actor, RECORD_EDIT)
        if not reason.strip() or "\x00" in reason:
            raise Invalid(fields={"reason": [_("A reason is needed.")]})
        items = table_of(actor, form)
        content, format = _content(csv, rows)
        found = read(content, format, items)
        if not 0 < len(found) <= MOST_ROWS:
            raise FileRefused(fields={format: [_("Give 1 to {most} rows.").format(most=MOST_ROWS)]})
        made, new = Import.objects.get_or_create(
            requested_by=actor,
            form=form,
            sha256=hashlib.sha256(content).hexdigest(),
            dry_run=dry_run,
            state=Import.State.WAITING,
            defaults={
                "format": format,
                "reason": reason.strip()[:200],
                "sites": sites_of(actor, RECORD_EDIT),
                "session": token_session(),
                "rows": len(found),
            },
        )
        if new:
            ImportFile.objects.create(of=made, content=content)
        enqueue_on_commit(work_off, made.pk, actor.pk)
        return made, new


def request_upload(
    *, actor: User, form: str, reason: str, content: bytes, dry_run: bool = True
) -> tuple[Import, bool]:
    """As above, from the bytes of a file that someone chose: a JSON list, or else CSV."""
    with acting(actor, reason=reason):
        require(actor, RECORD_EDIT)
        if len(content) > MOST_BYTES:
            raise FileRefused(fields={"file": [_("At most {most} bytes.").format(most=MOST_BYTES)]})
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            sentence = _("This is not UTF-8 text. In a spreadsheet, save it as “CSV UTF-8”.")
            raise FileRefused(fields={"file": [sentence]}) from error
        given: dict[str, Any] = {"csv": text}
        if text.lstrip()[:1] in ("[", "{"):
            given = {"rows": _list(text)}
        return request_import(actor=actor, form=form, reason=reason, dry_run=dry_run, **given)


def _list(text: str) -> list[Any]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileRefused(fields={"file": [_("This is not JSON.")]}) from error
    if isinstance(rows, dict):
        rows = rows.get("rows")
    if not isinstance(rows, list):
        raise FileRefused(fields={"file": [_("The JSON holds no list of rows.")]})
    return rows


def confirm(*, actor: User, tried: Import) -> tuple[Import, bool]:
    """Take in for good the file that was only tried. Raises NotTried before the dry run has come to its end."""
    with acting(actor, reason=tried.reason):
        found = Import.objects.visible_to(actor).select_related("file").filter(pk=tried.pk).first()
        if found is None:
            raise NotFound
        if not found.dry_run or found.state != Import.State.DONE:
            raise NotTried
        content = bytes(found.file.content)
        given: dict[str, Any] = (
            {"csv": content.decode()} if found.format == "csv" else {"rows": json.loads(content)}
        )
        return request_import(actor=actor, form=found.form, reason=found.reason, **given)


def resume(*, actor: User, found: Import) -> None:
    """Tell the worker once more about an import that waits: what is worked off already stays as it is."""
    with acting(actor):
        require(actor, RECORD_EDIT)
        if Import.objects.visible_to(actor).open().filter(pk=found.pk).exists():
            enqueue_on_commit(work_off, found.pk, actor.pk)


def _content(csv: str | None, rows: Sequence[Any] | None) -> tuple[bytes, str]:
    """The bytes to keep, and their format."""
    if (csv is None) == (rows is None):
        raise Invalid(fields={"csv": [_("Give either a CSV or a list of rows.")]})
    format = "rows" if csv is None else "csv"
    text = json.dumps(rows, sort_keys=True, separators=(",", ":")) if csv is None else csv
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        raise FileRefused(fields={format: [_("This is not UTF-8 text.")]}) from error
    if len(content) > MOST_BYTES:
        raise FileRefused(fields={format: [_("At most {most} bytes.").format(most=MOST_BYTES)]})
    return content, format
