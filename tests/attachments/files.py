"""Files as people attach them, and as nobody should."""

import io

from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject
from reportlab.pdfgen.canvas import Canvas


def plain_pdf(text: str = "Report", pages: int = 1) -> bytes:
    """A PDF of some pages."""
    out = io.BytesIO()
    canvas = Canvas(out, invariant=True)
    for page in range(pages):
        canvas.drawString(72, 720, f"{text} {page}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def image(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """An image of that kind."""
    out = io.BytesIO()
    Image.new("RGB", size, (20, 90, 160)).save(out, kind)
    return out.getvalue()


def _written(change: str) -> bytes:
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(plain_pdf())))
    if change == "script":
        act = DictionaryObject(
            {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("x")}
        )
        writer.root_object[NameObject("/OpenAction")] = act
    elif change == "files":
        writer.add_attachment("tool.exe", b"MZ")
    elif change == "password":
        writer.encrypt("secret")
    elif change == "no page":
        writer = PdfWriter()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


HOSTILE = {
    "nothing": b"",
    "html": b"<html><script>alert(1)</script></html>",
    "html after spaces": b"  %PDF-1.4 <script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "gif": image("GIF"),
    "bmp": image("BMP"),
    "tiff": image("TIFF"),
    "zip": b"PK\x03\x04" + b"\0" * 60,
    "program": b"MZ" + b"\0" * 200,
    "mark of a pdf alone": b"%PDF-1.7\n",
    "pdf with rubbish": b"%PDF-1.7\n" + b"\xff" * 4000,
    "half a pdf": plain_pdf()[:300],
    "pdf with a script": _written("script"),
    "pdf with files": _written("files"),
    "pdf with a password": _written("password"),
    "pdf without a page": _written("no page"),
    "mark of a png alone": b"\x89PNG\r\n\x1a\n",
    "half a png": image("PNG", (300, 300))[:200],
    "half a jpeg": image("JPEG", (900, 900))[:700],
    "jpeg called png": b"\x89PNG\r\n\x1a\n" + image("JPEG"),
    "png that fills the memory": image("PNG", (1, 1)).replace(
        b"\x00\x00\x00\x01\x00\x00\x00\x01", b"\x00\x00\xff\xff\x00\x00\xff\xff"
    ),
}
