"""The CONSORT figure as boxes with lines of text, placed for an SVG template."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from trialsite.enrollment.consort import ArmFlow, Flow
from trialsite.participants.models import ScreenFailure
from trialsite.protocol.definition import Definition

_LINE, _PAD = 18, 12
# How wide a sign is drawn at most, in the size of the figure: Chinese ones are square, the bold first line is wider.
_SQUARE, _NARROW, _BOLD = 13, 7.2, 1.08
# Where a line may end: after a space, and beside every Chinese sign.
_PIECE: Final = re.compile(r"[^\s\u2e80-\u9fff\uff00-\uffef]+\s*|.")


@dataclass(frozen=True)
class Box:
    """A box at (x, y), with the middle of its upper and lower edge for arrows."""

    x: int
    y: int
    width: int
    texts: tuple[str, ...]

    @cached_property
    def lines(self) -> list[str]:
        """The texts as lines that fit the width; what goes on in a further line is moved in."""
        room = self.width - 2 * _PAD
        return [
            line
            for place, text in enumerate(self.texts)
            for line in _folded(text, room if place else room / _BOLD)
        ]

    @property
    def height(self) -> int:
        return len(self.lines) * _LINE + 2 * _PAD - 4

    @property
    def middle(self) -> int:
        return self.x + self.width // 2

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def centre(self) -> int:
        return self.y + self.height // 2

    @property
    def rows(self) -> list[tuple[int, str]]:
        """(baseline, text) of each line."""
        return [(self.y + _PAD + 11 + place * _LINE, text) for place, text in enumerate(self.lines)]


def figure(flow: Flow, definition: Definition) -> dict[str, Any]:
    """Boxes, arrows as (x1, y1, x2, y2), and the size of the drawing."""
    labels = {code: str(label) for code, label in ScreenFailure.Reason.choices}
    assessed = Box(
        40,
        10,
        300,
        (
            _line(_("Assessed (persons)"), flow.assessed),
            _line("· " + _("screened anew, attempts before"), flow.screened_anew),
            _line("· " + _("consented"), flow.consented),
        ),
    )
    out = Box(
        430,
        10,
        330,
        (
            _line(_("Excluded"), flow.excluded),
            *(_line(f"· {labels.get(code, code)}", number) for code, number in flow.excluded_for.items()),
            _line("· " + _("withdrew before surgery"), flow.withdrew_before_surgery),
            _line("· " + _("died before surgery"), flow.died_before_surgery),
            _line(_("Still in screening"), flow.in_screening),
        ),
    )
    operated = Box(40, max(assessed.bottom, out.bottom) + 30, 300, (_line(_("Operated"), flow.operated),))
    waiting = Box(
        430,
        operated.y - 18,
        330,
        (
            _line(_("Operated, not randomized"), flow.not_randomized),
            _line("· " + _("waiting for randomization"), flow.waiting),
            _line("· " + _("will not be randomized, in safety follow-up"), flow.followed_for_safety),
            _line("· " + _("completed safety follow-up"), flow.completed_safety),
            _line("· " + _("withdrew after surgery"), flow.withdrew_after_surgery),
            _line("· " + _("lost to safety follow-up"), flow.lost_after_surgery),
            _line("· " + _("died after surgery"), flow.died_after_surgery),
        ),
    )
    randomized = Box(
        40, max(operated.bottom, waiting.bottom) + 30, 300, (_line(_("Randomized"), flow.randomized),)
    )
    drawn = [assessed, out, operated, waiting, randomized]
    arrows = [
        (assessed.middle, assessed.bottom, operated.middle, operated.y),
        (assessed.right, assessed.centre, out.x, assessed.centre),
        (operated.middle, operated.bottom, randomized.middle, randomized.y),
        (operated.right, operated.centre, waiting.x, operated.centre),
    ]
    names = {arm.code: arm.label.to(get_language() or "en") for arm in definition.arms}
    for place, arm in enumerate(flow.arms):
        box = Box(10 + place * 390, randomized.bottom + 46, 370, _arm_lines(names.get(arm.arm, arm.arm), arm))
        drawn.append(box)
        arrows.append((randomized.middle, randomized.bottom, box.middle, box.y))
    return {"boxes": drawn, "arrows": arrows, "width": 790, "height": max(box.bottom for box in drawn) + 10}


def _arm_lines(name: str, arm: ArmFlow) -> tuple[str, ...]:
    return (
        name,
        _line(_("Allocated"), arm.allocated),
        _line("· " + _("received"), arm.received),
        _line("· " + _("not received (yet)"), arm.not_received),
        _line(_("In follow-up"), arm.in_follow_up),
        _line(_("Completed"), arm.completed),
        _line(_("Withdrew"), arm.withdrew),
        _line(_("Lost to follow-up"), arm.lost),
        _line(_("Died"), arm.died),
        _line(_("Analysed"), arm.analysed),
        _line("· " + _("use of data withdrawn"), arm.not_analysed),
    )


def _line(text: str, number: int) -> str:
    return f"{text}: {number}"


def _wide(text: str) -> float:
    return sum(_SQUARE if unicodedata.east_asian_width(sign) in "WF" else _NARROW for sign in text)


def _folded(text: str, room: float) -> list[str]:
    lines = [""]
    for piece in _PIECE.findall(text):
        if lines[-1].strip() and _wide(lines[-1] + piece.rstrip()) > room:
            lines.append("\u2003")
        lines[-1] += piece
    return [line.rstrip() for line in lines]
