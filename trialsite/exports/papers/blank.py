"""Empty forms on paper, drawn from the definition: for days without power, entered into the system afterwards."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trialsite.casebook.wording import MISSING
from trialsite.core.booklet import LEFT, WIDTH, Booklet, folded, wide, write
from trialsite.protocol.definition import Form, Item

_SIZE: Final = 8.5
_STEP: Final = 14.0
_LEAST: Final = 18.0
_LABEL: Final = WIDTH * 0.34
_ANSWER: Final = WIDTH * 0.5
_BOX: Final = 12.0
Ticks = Sequence[tuple[str, ...]]


def draw(book: Booklet, form: Form, *, code: str, event: str) -> None:
    """One form on pages of its own; `code` and `event` are printed where they are known."""
    language = get_language() or "en"
    book.turn()
    book.heading(form.name.to(language))
    _identity(book, form, code=code, event=event)
    if form.note:
        book.gap(3)
        book.text(form.note.to(language), grey=True, size=7.5)
    reasons = " · ".join(f"{number} = {label}" for number, (_code, label) in enumerate(MISSING, start=1))
    book.gap(3)
    book.text(_("Without a value tick why: {reasons}").format(reasons=reasons), grey=True, size=7.5)
    for section in form.sections:
        book.heading(section.label.to(language), level=2, keep=40)
        for item in section.items:
            _item(book, item, language)
    _closing(book)


def _identity(book: Booklet, form: Form, *, code: str, event: str) -> None:
    """Whose form this is, of which visit."""
    fields = [(_("Participant"), code), (_("Visit"), event)]
    if form.repeating:
        fields.append((_("Number"), ""))
    _fields(book, [*fields, (_("Initials"), "")])


def _closing(book: Booklet) -> None:
    """Who filled it in, and who entered it afterwards."""
    book.gap(8)
    book.room(60)
    _fields(book, [(_("Filled in by"), ""), (_("Date"), ""), (_("Signature"), "")])
    _fields(book, [(_("Entered into the system by"), ""), (_("Date"), ""), (_("Signature"), "")])


def _fields(book: Booklet, fields: Sequence[tuple[str, str]]) -> None:
    """Labelled lines beside each other, to write on."""
    step = WIDTH / len(fields)

    def put(canvas: Any, y: float) -> None:
        for number, (label, value) in enumerate(fields):
            x = LEFT + number * step
            write(canvas, x, y + 7, label, 7, grey=True)
            start = x + wide(label, 7) + 4
            write(canvas, start, y + 7, value, 9)
            canvas.setStrokeGray(0.3)
            canvas.line(start, y + 4, x + step - 6, y + 4)

    book.drawn(26, put, *(f"{label} {value}" for label, value in fields))


def _item(book: Booklet, item: Item, language: str) -> None:
    label = item.label.to(language)
    if item.show_if:
        label += f" ({_('where it applies')})"
    elif not item.required:
        label += f" ({_('if known')})"
    lines = list(folded(label, _LABEL - 6, _SIZE))
    answer = [] if item.derive else list(_answer(item, language))
    height = max(len(lines) * _STEP, sum(_height(one) for one in answer), _LEAST) + 5
    small = f"{item.cdash or item.name}"

    def put(canvas: Any, y: float) -> None:
        top = y + height
        for number, line in enumerate(lines):
            write(canvas, LEFT, top - 11 - number * _STEP, line, _SIZE)
        place = top - 11
        for one in answer:
            _put(canvas, LEFT + _LABEL, place, one)
            place -= _height(one)
        if item.derive:
            text = _("computed by the system")
            write(canvas, LEFT + _LABEL, top - 11, text, 7.5, grey=True)
        elif not item.needed:
            _put_reasons(canvas, top - 11)
        write(canvas, LEFT + WIDTH - wide(small, 5.5), y + 1.5, small, 5.5, grey=True)
        canvas.setStrokeGray(0.85)
        canvas.setLineWidth(0.3)
        canvas.line(LEFT, y, LEFT + WIDTH, y)

    texts = [part for one in answer for part in one if part != "box"]
    book.drawn(height, put, label, *texts)


# An answer is lines of marks: ("tick", label) …, ("boxes", picture, text behind), ("rule",).


def _answer(item: Item, language: str) -> Iterator[tuple[str, ...]]:
    match item.type:
        case "boolean":
            yield from _ticks([_("yes"), _("no")])
        case "choice":
            yield from _ticks([choice.label.to(language) for choice in item.choices])
        case "multichoice":
            yield ("note", _("tick all that apply"))
            yield from _ticks([choice.label.to(language) for choice in item.choices])
        case "integer" | "decimal":
            yield from _number(item)
        case "date":
            behind = _("month or day may be left empty") if item.partial else ""
            yield ("boxes", "____-__-__", behind)
        case "time":
            yield ("boxes", "__:__", "")
        case "datetime":
            yield ("boxes", "____-__-__ __:__", "")
        case _:
            yield from [("rule",)] * max(2, item.lines)


def _number(item: Item) -> Iterator[tuple[str, ...]]:
    units = list(item.accepted_units)
    whole = "____" if item.type == "integer" else "____.___"
    sign = "_ " if item.signed else ""
    behind = units[0] if len(units) == 1 else ""
    if item.signed:
        behind = f"{behind} ({_('first box: < or >')})".strip()
    yield ("boxes", sign + whole, behind)
    if len(units) > 1:
        yield from _ticks(units)
    if item.uln:
        yield ("boxes", "____.__", _("upper limit of normal"))


def _ticks(labels: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Tick boxes, as many on a line as fit."""
    line: list[str] = []
    used = 0.0
    for label in labels:
        step = wide(label, _SIZE) + 24
        if line and used + step > _ANSWER:
            yield ("ticks", *line)
            line, used = [], 0.0
        line.append(label)
        used += step
    if line:
        yield ("ticks", *line)


def _height(one: tuple[str, ...]) -> float:
    return {"boxes": 18.0, "rule": 17.0, "note": 10.0}.get(one[0], _STEP) + (
        max(0, len(list(folded(one[1], _ANSWER - 20, _SIZE))) - 1) * 11 if one[0] == "ticks" else 0
    )


def _put(canvas: Any, x: float, y: float, one: tuple[str, ...]) -> None:
    canvas.setStrokeGray(0.35)
    canvas.setLineWidth(0.6)
    match one:
        case ("ticks", *labels):
            for label in labels:
                canvas.rect(x, y - 1, 8, 8)
                for number, line in enumerate(folded(label, _ANSWER - 20, _SIZE)):
                    write(canvas, x + 12, y - number * 11, line, _SIZE)
                x += wide(label, _SIZE) + 24
        case ("boxes", picture, behind):
            for mark in picture:
                if mark == "_":
                    canvas.rect(x, y - 4, _BOX, _BOX + 1)
                    x += _BOX
                else:
                    write(canvas, x + 2, y - 1, mark, 9)
                    x += 7
            write(canvas, x + 5, y - 1, behind, 7.5, grey=True)
        case ("note", text):
            write(canvas, x, y + 1, text, 7, grey=True)
        case _:
            canvas.setStrokeGray(0.6)
            canvas.line(x, y - 4, x + _ANSWER - 12, y - 4)


def _put_reasons(canvas: Any, y: float) -> None:
    x = LEFT + WIDTH - 22 * len(MISSING)
    canvas.setLineWidth(0.4)
    for number in range(1, len(MISSING) + 1):
        canvas.setStrokeGray(0.55)
        canvas.rect(x, y - 1, 7, 7)
        write(canvas, x + 9, y - 0.5, str(number), 6.5, grey=True)
        x += 22
