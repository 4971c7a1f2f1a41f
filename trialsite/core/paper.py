"""Documents on paper: A4 with Chinese text and page numbers. PDF by reportlab, whose CID font needs no file."""

import io
from collections.abc import Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Table, TableStyle

FONT: Final = "STSong-Light"
pdfmetrics.registerFont(UnicodeCIDFont(FONT))
BODY: Final = ParagraphStyle("body", fontName=FONT, fontSize=8, leading=10.5, wordWrap="CJK")
HEAD: Final = ParagraphStyle("head", parent=BODY, fontSize=13, leading=18, spaceAfter=6)
NOTE: Final = ParagraphStyle("note", parent=BODY, textColor=colors.HexColor("#4b5563"))


def paragraph(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    """Text as it is: nothing in it is taken for markup."""
    return Paragraph(escape(text), style)


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
    ).build(parts, onFirstPage=number, onLaterPages=number)
    return made.getvalue()
