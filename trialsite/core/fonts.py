"""The font of all papers: Noto Sans SC (SIL Open Font License 1.1), of which each paper carries what it uses.

A file that holds its glyphs and says which character each of them is can be read anywhere and for good, Chinese
included. The font comes with a package that holds nothing else; its outlines (CFF) go into the PDF as a subset, as
composite font with two bytes to a glyph (ISO 32000-1, 9.7).
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, Final
from weakref import WeakKeyDictionary

import pylopdf_fonts_zh_cn
from reportlab import rl_config
from reportlab.pdfbase import pdfdoc, pdfmetrics

FONT: Final = "NotoSansSC"
_FILE: Final = pylopdf_fonts_zh_cn.sans_path()
_KEPT: Final = frozenset({"CFF ", "cmap", "head", "hhea", "hmtx", "maxp", "OS/2", "name", "post"})
# fontTools tells each step of a subset.
logging.getLogger("fontTools").setLevel(logging.WARNING)


@cache
def _glyphs() -> Mapping[int, tuple[int, int]]:
    """Character → (CID, advance in thousandths of the size)."""
    from fontTools.ttLib import TTFont  # here: most processes draw nothing

    with TTFont(_FILE, lazy=True) as font:
        widths = font["hmtx"].metrics
        named = {code: name for code, name in font.getBestCmap().items() if name.startswith("cid")}
        return {code: (int(name[3:]), widths[name][0]) for code, name in named.items()}


@cache
def advance(character: str) -> int:
    """Width of a character in thousandths of the size; 0 for one without a glyph."""
    return _glyphs().get(ord(character), (0, 0))[1]


class _Cids(dict[int, str]):
    """As `str.translate` asks: the CID of a character, as a character; nothing for one without a glyph."""

    def __missing__(self, code: int) -> str:
        self[code] = chr(_glyphs()[code][0]) if code in _glyphs() else ""
        return self[code]


class _Shown(dict[int, str]):
    """As `str.translate` asks: a character that the font draws as it is, any other told by its number."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        drawn = character == " " or (character.isprintable() and code in _glyphs())
        self[code] = character if drawn else f"<U+{code:04X}>"
        return self[code]


# Filled by what is drawn: a long paper draws the same few hundred characters millions of times.
_CIDS: Final = _Cids()
_SHOWN: Final = _Shown()


def printable(text: str) -> str:
    """`text` with each character that the font cannot draw told by its number, so that none vanishes."""
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN)


def _subset(cids: Iterable[int]) -> bytes:
    """The outlines of these glyphs as a CFF that keeps their CIDs."""
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont

    with TTFont(_FILE, lazy=True) as font:
        for tag in set(font.keys()) - _KEPT - {"GlyphOrder"}:
            del font[tag]
        reducer = Subsetter(Options(layout_features=[], hinting=False, notdef_outline=True, name_IDs=[]))
        reducer.populate(glyphs=[f"cid{cid:05d}" for cid in cids])
        reducer.subset(font)
        outlines: bytes = font["CFF "].compile(font)
        return outlines


class Embedded:
    """A font as reportlab asks for one whose glyphs are only known at the end (see `ttfonts.TTFont`)."""

    _multiByte = 1  # noqa: N815
    _dynamicFont = 1  # noqa: N815
    shapable = False
    ascent, descent = 880, -120

    def __init__(self) -> None:
        self.fontName = FONT
        self.encName = "Identity-H"
        self.face = SimpleNamespace(
            name=FONT, ascent=self.ascent, descent=self.descent, builtIn=False, familyName=FONT
        )
        self._used: WeakKeyDictionary[Any, dict[int, int]] = WeakKeyDictionary()

    def stringWidth(self, text: str | bytes, size: float, encoding: str = "utf-8") -> float:  # noqa: N802
        """Width of `text` in points."""
        return sum(map(advance, _decoded(text, encoding))) * size / 1000

    def splitString(  # noqa: N802
        self, text: str | bytes, doc: Any, encoding: str = "utf-8"
    ) -> list[tuple[int, bytes]]:
        """The codes of `text`, which all lie in the one subset; what has no glyph is left out."""
        text = _decoded(text, encoding)
        used = self._used.setdefault(doc, {})
        for code in dict.fromkeys(map(ord, text)):
            if cid := _CIDS[code]:
                used.setdefault(ord(cid), code)
        # Two bytes each, also for CIDs that would be halves of a pair were they characters.
        return [(0, text.translate(_CIDS).encode("utf-16-be", "surrogatepass"))]

    def getSubsetInternalName(self, subset: int, doc: Any) -> str:  # noqa: N802
        """The name under which pages call the font."""
        if self.fontName not in doc.fontMapping:
            doc.fontMapping[self.fontName] = f"/F{len(doc.fontMapping) + 1}"
            doc.delayedFonts.append(self)
        name: str = doc.fontMapping[self.fontName]
        return name

    def addObjects(self, doc: Any) -> None:  # noqa: N802
        """Put the font into `doc`, which is complete now."""
        used = dict(sorted(self._used.pop(doc).items()))
        outlines = _subset(used)
        tag = hashlib.sha256(outlines).digest()[:6]
        name = pdfdoc.PDFName("".join(chr(ord("A") + byte % 26) for byte in tag) + f"+{FONT}")
        file = pdfdoc.PDFStream(
            pdfdoc.PDFDictionary({"Subtype": pdfdoc.PDFName("CIDFontType0C")}),
            outlines,
            [pdfdoc.PDFZCompress],
        )
        told = pdfdoc.PDFStream(content=_to_unicode(used), filters=[pdfdoc.PDFZCompress])
        descriptor = {
            "Type": pdfdoc.PDFName("FontDescriptor"),
            "FontName": name,
            "Flags": 4,
            "FontBBox": pdfdoc.PDFArray([-1000, -1000, 3000, 2000]),
            "ItalicAngle": 0,
            "Ascent": self.ascent,
            "Descent": self.descent,
            "CapHeight": 733,
            "StemV": 80,
            "FontFile3": doc.Reference(file, f"{FONT}-file"),
        }
        system = {
            "Registry": pdfdoc.PDFString("Adobe"),
            "Ordering": pdfdoc.PDFString("Identity"),
            "Supplement": 0,
        }
        glyphs = _glyphs()
        widths = [part for cid, code in used.items() for part in (cid, pdfdoc.PDFArray([glyphs[code][1]]))]
        descendant = {
            "Type": pdfdoc.PDFName("Font"),
            "Subtype": pdfdoc.PDFName("CIDFontType0"),
            "BaseFont": name,
            "CIDSystemInfo": pdfdoc.PDFDictionary(system),
            "DW": 1000,
            "W": pdfdoc.PDFArray(widths),
            "FontDescriptor": doc.Reference(pdfdoc.PDFDictionary(descriptor), f"{FONT}-descriptor"),
        }
        font = {
            "Type": pdfdoc.PDFName("Font"),
            "Subtype": pdfdoc.PDFName("Type0"),
            "BaseFont": name,
            "Encoding": pdfdoc.PDFName(self.encName),
            "DescendantFonts": pdfdoc.PDFArray(
                [doc.Reference(pdfdoc.PDFDictionary(descendant), f"{FONT}-descendant")]
            ),
            "ToUnicode": doc.Reference(told, f"{FONT}-unicode"),
        }
        called = doc.fontMapping[self.fontName][1:]
        doc.idToObject["BasicFonts"].dict[called] = doc.Reference(pdfdoc.PDFDictionary(font), called)


def _decoded(text: str | bytes, encoding: str) -> str:
    return text if isinstance(text, str) else text.decode(encoding)


def _to_unicode(used: Mapping[int, int]) -> str:
    """Which character each glyph is, so that text can be searched and copied (ISO 32000-1, 9.10.3)."""
    lines = [f"<{cid:04X}> <{chr(code).encode('utf-16-be').hex().upper()}>" for cid, code in used.items()]
    parts = [lines[start : start + 100] for start in range(0, len(lines), 100)]
    told = "\n".join(f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar" for part in parts)
    return (
        "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
        "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
        "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        f"{told}\nendcmap\nCMapName currentdict /CMap defineresource pop\nend\nend"
    )


pdfmetrics.registerFont(Embedded())
# Files travel as bytes: as text their pages took a quarter more room, and a tenth of the time.
rl_config.useA85 = 0
