"""Papers of many pages, drawn row by row: head, foot and page number on each, an outline, a hash over all."""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from trialsite.core.errors import DomainError
from trialsite.core.fonts import FONT, advance
from trialsite.core.fonts import printable as printable

LEFT: Final = 15 * mm
WIDTH: Final = A4[0] - 2 * LEFT
_TOP: Final = A4[1] - 20 * mm
_BOTTOM: Final = 19 * mm
_CELL: Final = 3.0
_GREY: Final = 0.42
_RULE: Final = 0.82
_BOLD: Final = 0.022
_LATE_FOOT: Final = "late-foot"
_LATE_COUNT: Final = "late-count"


class TooManyPages(DomainError):
    """More than one document can reasonably be."""

    code = "too_many_pages"
    status = 422
    message = gettext_lazy("This would be more than {pages} pages.")


@dataclass(frozen=True)
class Printed:
    """A finished paper. `content` is the hash of what stands between head and foot, whoever printed it and when."""

    pdf: bytes
    pages: int
    content: str

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.pdf).hexdigest()


class Booklet:
    """Draws from top to bottom. Sizes are points; `head` is what stands left and right above each page from then on.

    The content's hash is SHA-256 over each text in the order drawn, UTF-8, every cell ended by U+001F and every row by
    a line feed: two papers with the same hash say the same.
    """

    def __init__(self, *, title: str, head: tuple[str, str], foot: str, most: int = 3000) -> None:
        self._made = io.BytesIO()
        self.canvas: Any = Canvas(self._made, pagesize=A4, pageCompression=1, initialFontName=FONT)
        self.canvas.setTitle(title)
        self.canvas.setAuthor("TrialSite")
        self.head, self.foot, self.most = head, foot, most
        self.place, self.pages = 0.0, 0
        self._hash = hashlib.sha256()
        self._widths: Sequence[float] = (WIDTH,)
        self._heads: Sequence[str] = ()

    # Pages -----------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """A new page."""
        if self.pages:
            self.canvas.showPage()
        self.pages += 1
        if self.pages > self.most:
            raise TooManyPages(pages=self.most)
        canvas = self.canvas
        for text, draw in zip(self.head, (self._left, self._right), strict=True):
            draw(text, A4[1] - 12 * mm, 8)
        canvas.setStrokeGray(_RULE)
        canvas.line(LEFT, A4[1] - 14 * mm, LEFT + WIDTH, A4[1] - 14 * mm)
        self._left(self.foot, 12 * mm, 7)
        canvas.doForm(_LATE_FOOT)
        self._left(str(self.pages), 8 * mm, 7, LEFT + WIDTH - 34)
        canvas.doForm(_LATE_COUNT)
        self.place = _TOP

    def room(self, height: float) -> None:
        """Turn the page unless `height` is left on it."""
        if not self.pages or self.place - height < _BOTTOM:
            self.turn()

    def gap(self, height: float) -> None:
        """White space, swallowed by the end of a page."""
        self.place -= height

    # Texts -----------------------------------------------------------------------------------------------------

    def heading(self, text: str, *, level: int = 0, keep: float = 60) -> None:
        """A heading that stays with the `keep` points below it; levels 0 and 1 enter the outline."""
        self.table((WIDTH,))
        size = (14, 10, 8.5)[level]
        self.room(size * 2 + keep)
        self.gap((12, 6, 3)[level])
        self._count(text)
        if level < 2:
            key = f"h{self.pages}-{self.place:.0f}"
            self.canvas.bookmarkHorizontal(key, 0, self.place + size)
            self.canvas.addOutlineEntry(text, key, level=level, closed=level == 0)
        self.place -= size
        write(self.canvas, LEFT, self.place, text, size, bold=True)
        self.place -= size * 0.55
        if level < 2:
            self.canvas.setStrokeGray(0.45 if level == 0 else _RULE)
            self.canvas.line(LEFT, self.place, LEFT + WIDTH, self.place)
            self.place -= 3

    def text(self, text: str, *, size: float = 8, grey: bool = False, bold: bool = False) -> None:
        """A paragraph over the whole width."""
        self.table((WIDTH,))
        self._count(text)
        for line in folded(text, WIDTH, size):
            self.room(size * 1.3)
            self.place -= size * 1.3
            write(self.canvas, LEFT, self.place, line, size, bold=bold, grey=grey)

    def table(self, widths: Sequence[float], heads: Sequence[str] = ()) -> None:
        """Rows to come have columns of these widths; `heads` stand above them, on each page anew."""
        self._widths, self._heads = widths, heads
        if heads:
            self._count(*heads)
            self.room(40)
            self._draw_heads()

    def row(
        self,
        *cells: str,
        size: float = 8,
        grey: bool = False,
        bold: bool = False,
        widths: Sequence[float] = (),
    ) -> None:
        """A row with a thin rule below; it stays together where a page can hold it. `widths` for this row alone."""
        self._count(*cells)
        widths = widths or self._widths
        step = size * 1.28
        columns = [
            list(folded(text, width - 2 * _CELL, size)) for text, width in zip(cells, widths, strict=True)
        ]
        lines = max(map(len, columns))
        if self.place - lines * step - 4 < _BOTTOM and lines * step < 200:
            self._turn_in_table()
        for number in range(lines):
            if self.place - step < _BOTTOM:
                self._turn_in_table()
            self.place -= step
            x = LEFT
            for column, width in zip(columns, widths, strict=True):
                if number < len(column):
                    write(self.canvas, x + _CELL, self.place, column[number], size, bold=bold, grey=grey)
                x += width
        self.place -= 3
        self.canvas.setStrokeGray(_RULE)
        self.canvas.setLineWidth(0.3)
        self.canvas.line(LEFT, self.place, LEFT + WIDTH, self.place)

    def drawn(self, height: float, draw: Callable[[Any, float], None], *texts: str) -> None:
        """`draw(canvas, y of the lower edge)` in a band of `height`; `texts` are what it writes, for the hash."""
        self._count(*texts)
        self.room(height)
        self.place -= height
        draw(self.canvas, self.place)

    def finish(self) -> Printed:
        """The paper, with its hash and the number of pages put under each page."""
        if not self.pages:
            self.turn()
        self.canvas.showPage()
        content = self._hash.hexdigest()
        for name, text, x in (
            (_LATE_FOOT, f"{_('Hash of the content')}: {content}", LEFT),
            (_LATE_COUNT, f"/ {self.pages}", LEFT + WIDTH - 20),
        ):
            self.canvas.beginForm(name, 0, 0, *A4)
            self._left(text, 8 * mm, 7, x)
            self.canvas.endForm()
        self.canvas.save()
        return Printed(self._made.getvalue(), self.pages, content)

    # Below -----------------------------------------------------------------------------------------------------

    def _turn_in_table(self) -> None:
        self.turn()
        if self._heads:
            self._draw_heads()

    def _draw_heads(self) -> None:
        self.place -= 12
        self.canvas.setFillGray(0.94)
        self.canvas.rect(LEFT, self.place - 3, WIDTH, 13, stroke=0, fill=1)
        x = LEFT
        for text, width in zip(self._heads, self._widths, strict=True):
            line = next(folded(text, width - 2 * _CELL, 7.5))
            write(self.canvas, x + _CELL, self.place, line, 7.5, bold=True)
            x += width
        self.place -= 3

    def _count(self, *cells: str) -> None:
        self._hash.update("".join(f"{cell}\x1f" for cell in cells).encode() + b"\n")

    def _left(self, text: str, y: float, size: float, x: float = LEFT) -> None:
        write(self.canvas, x, y, text, size, grey=True)

    def _right(self, text: str, y: float, size: float) -> None:
        write(self.canvas, LEFT + WIDTH - wide(text, size), y, text, size, grey=True)


def write(
    canvas: Any, x: float, y: float, text: str, size: float, *, bold: bool = False, grey: bool = False
) -> None:
    """One line of text, its baseline at `y`. There is one weight of the font: bold text has its outlines drawn too."""
    shade = _GREY if grey else 0
    canvas.setFillGray(shade)
    canvas.setFont(FONT, size)
    if not bold:
        canvas.drawString(x, y, printable(text))
        return
    canvas.saveState()
    canvas.setStrokeGray(shade)
    canvas.setLineWidth(size * _BOLD)
    canvas.drawString(x, y, printable(text), mode=2)
    canvas.restoreState()


def wide(text: str, size: float) -> float:
    """The width of a line in points."""
    return float(pdfmetrics.stringWidth(printable(text), FONT, size))


def folded(text: str, width: float, size: float) -> Iterator[str]:
    """`text` in lines no wider than `width` points: broken at a space where one is near, else between characters."""
    for part in text.splitlines() or [""]:
        part = printable(part)
        start, used, space, used_at_space = 0, 0.0, -1, 0.0
        for place, character in enumerate(part):
            step = advance(character) * size / 1000
            if used + step > width and place > start:
                cut = space + 1 if used_at_space > width / 2 else place
                yield part[start:cut].rstrip()
                used = sum(map(advance, part[cut:place])) * size / 1000
                start, space, used_at_space = cut, -1, 0.0
            used += step
            if character == " ":
                space, used_at_space = place, used
        yield part[start:]
