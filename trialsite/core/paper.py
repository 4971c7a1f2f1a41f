"""Documents on paper: A4 with Chinese text and page numbers. PDF by reportlab."""

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Table, TableStyle

from trialsite.core.fonts import FONT, advance, printable

BODY: Final = ParagraphStyle("body", fontName=FONT, fontSize=8, leading=10.5, wordWrap="CJK")
HEAD: Final = ParagraphStyle("head", parent=BODY, fontSize=13, leading=18, spaceAfter=6)
NOTE: Final = ParagraphStyle("note", parent=BODY, textColor=colors.HexColor("#4b5563"))


def paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    """Text as it is: nothing in it is taken for markup."""
    return Paragraph(escape("\n".join(map(printable, text.splitlines()))), style)


def ruled(rows: Sequence[Sequence[Any]], *, widths: Sequence[float], heads: int = 0) -> Table:
    """A table with thin rules, breakable between rows; `heads` rows are repeated on each page. Widths in points."""
    table = Table(list(map(list, rows)), colWidths=list(widths), repeatRows=heads, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.HexColor("#d1d5db")),
                ("BACKGROUND", (0, 0), (-1, heads - 1), colors.HexColor("#f3f4f6"))
                if heads
                else ("FONT", (0, 0), (-1, -1), FONT),
                ("LEFTPADDING", (0, 0), (-1, -1), 3),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return table


def document(parts: list[Flowable], *, title: str, foot: str, wide: bool = False) -> bytes:
    """A PDF of `parts`; every page carries `foot` and its number."""
    made = io.BytesIO()

    def number(canvas: Any, page: Any) -> None:
        canvas.setFont(FONT, 7)
        canvas.drawString(15 * mm, 8 * mm, foot)
        canvas.drawRightString(page.pagesize[0] - 15 * mm, 8 * mm, str(canvas.getPageNumber()))

    SimpleDocTemplate(
        made,
        pagesize=landscape(A4) if wide else A4,
        leftMargin=15 * mm,
        rightMargin=15 * mm,
        topMargin=14 * mm,
        bottomMargin=16 * mm,
        title=title,
        author="TrialSite",
        initialFontName=FONT,
    ).build(parts, onFirstPage=number, onLaterPages=number)
    return made.getvalue()


class TooLong(Exception):
    """More pages than were allowed."""


def listing(entries: Iterable[Sequence[str]], *, head: Sequence[str], foot: str, most: int) -> bytes:
    """A PDF of `entries`, each a few lines of text that stay together, below the lines of `head`.

    Drawn line by line, since a listing may run to thousands of pages. Raises TooLong at page `most` + 1.
    """
    made = io.BytesIO()
    canvas = Canvas(made, pagesize=A4, pageCompression=1, initialFontName=FONT)
    width, top, step = A4[0] - 30 * mm, A4[1] - 15 * mm, 10.0
    place, pages = top, 0

    def turn() -> float:
        nonlocal pages
        if pages:
            canvas.showPage()
        pages += 1
        if pages > most:
            raise TooLong
        canvas.setFont(FONT, 7)
        canvas.drawString(15 * mm, 8 * mm, foot)
        canvas.drawRightString(A4[0] - 15 * mm, 8 * mm, str(pages))
        canvas.setFont(FONT, 8)
        canvas.setStrokeColorRGB(0.85, 0.85, 0.85)
        return float(top)

    for entry in itertools.chain([head], entries):
        lines = [line for text in entry for line in wrapped(text, width, 8)]
        if not pages or place - len(lines) * step < 15 * mm:
            place = turn()
        for line in lines:
            if place < 15 * mm:
                place = turn()
            canvas.drawString(15 * mm, place, line)
            place -= step
        place -= 4
        canvas.line(15 * mm, place + 9, A4[0] - 15 * mm, place + 9)
    canvas.save()
    return made.getvalue()


def wrapped(text: str, width: float, size: float) -> Iterator[str]:
    """`text` in lines no wider than `width` points; breaks where it must, as Chinese does."""
    room = width * 1000 / size
    for part in text.splitlines() or [""]:
        shown = printable(part)
        if sum(map(advance, shown)) <= room:
            yield shown
            continue
        start, used = 0, 0
        for place, step in enumerate(map(advance, shown)):
            if used + step > room:
                yield shown[start:place]
                start, used = place, 0
            used += step
        yield shown[start:]
