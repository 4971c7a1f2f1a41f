"""What a file is by its content, never by its name: a plain PDF, JPEG or PNG, or a reason why not. No Django, no clock.

Pillow and pypdf read the structure; a file that only begins like one of the three, an encrypted PDF and a PDF that
starts programs or carries files are refused. Both libraries are read when the first file comes: they would slow the
start of every process.
"""

import io
import warnings
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from pypdf import PdfReader

Kind = Literal["application/pdf", "image/jpeg", "image/png"]
Fault = Literal["unknown_type", "broken", "encrypted", "active", "too_many_pixels", "no_pages"]

# The mark at the beginning of each (ISO 32000-1 7.5.2, ISO 10918-1, RFC 2083).
_MARKS: Final[dict[bytes, Kind]] = {
    b"%PDF-": "application/pdf",
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
}
_ENDS: Final[dict[Kind, str]] = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}
# A scan of A4 at 600 dpi has 35 million; more is made to fill memory.
MOST_PIXELS: Final = 80_000_000
# Keys of a PDF behind which something is run, sent or unpacked (ISO 32000-1 12.6.4, 7.11.4).
_ACTIVE: Final = (
    "/JavaScript",
    "/JS",
    "/Launch",
    "/EmbeddedFiles",
    "/SubmitForm",
    "/ImportData",
    "/RichMedia",
)
# What pypdf raises on bytes that are made to break it, besides its own errors.
_BROKEN: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    RecursionError,
    OverflowError,
)


class Refused(Exception):
    """Why a file is none that is taken."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault: Fault = fault


def kind_of(content: bytes) -> Kind:
    """The type of `content`. Raises Refused."""
    kind = next((kind for mark, kind in _MARKS.items() if content.startswith(mark)), None)
    if kind is None:
        raise Refused("unknown_type")
    if kind == "application/pdf":
        _require_plain_pdf(content)
    else:
        _require_image(content, kind)
    return kind


def extension(kind: str) -> str:
    """The end of the file's name."""
    return next((end for known, end in _ENDS.items() if known == kind), "bin")


def _require_image(content: bytes, kind: Kind) -> None:
    from PIL import Image, UnidentifiedImageError

    wanted = "JPEG" if kind == "image/jpeg" else "PNG"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[wanted]) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Refused("too_many_pixels")
                image.load()
    except Image.DecompressionBombError as error:
        raise Refused("too_many_pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise Refused("broken") from error


def _require_plain_pdf(content: bytes) -> None:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted:
            raise Refused("encrypted")
        pages = len(reader.pages)
        active = _is_active(reader)
    except (PyPdfError, *_BROKEN) as error:
        raise Refused("broken") from error
    if not pages:
        raise Refused("no_pages")
    if active:
        raise Refused("active")


def _is_active(reader: "PdfReader") -> bool:
    """Whether any object that the file's table names holds a key that runs, sends or unpacks something."""
    seen: set[int] = set()
    waiting: list[Any] = [reader.trailer]
    while waiting:
        one = waiting.pop()
        one = one.get_object() if hasattr(one, "get_object") else one
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            if any(key in one for key in _ACTIVE) or one.get("/S") in _ACTIVE:
                return True
            waiting.extend(one.raw_get(key) if hasattr(one, "raw_get") else one[key] for key in one)
        elif isinstance(one, list):
            waiting.extend(one)
    return False
