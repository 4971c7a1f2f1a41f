"""Every text for people has its Chinese sentence, and the compiled file is the one that the sources give."""

import ast
import gettext
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
_ENTRY = re.compile(r'msgid ((?:".*"\n)+)msgstr ((?:".*"(?:\n|$))+)')
_IN_TEMPLATE = re.compile(r"""\{% translate (?:"([^"]+)"|'([^']+)') %\}""")
_MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop"}


def _join(lines: str) -> str:
    return "".join(ast.literal_eval(line) for line in lines.strip().splitlines())


def _written() -> dict[str, str]:
    text = (FOLDER / "django.po").read_text(encoding="utf-8")
    return {_join(found[1]): _join(found[2]) for found in _ENTRY.finditer(text) if _join(found[1])}


def _marked_in(call: ast.Call) -> str:
    """The text that a call of gettext marks, or an empty string."""
    if not isinstance(call.func, ast.Name) or call.func.id not in _MARKS or not call.args:
        return ""
    text = call.args[0]
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""


def _marked() -> set[str]:
    found: set[str] = set()
    for folder in ("trialsite", "eligibility", "randomization", "visits"):
        for path in (ROOT / folder).rglob("*.html"):
            found |= {one[1] or one[2] for one in _IN_TEMPLATE.finditer(path.read_text(encoding="utf-8"))}
        for path in (ROOT / folder).rglob("*.py"):
            calls = (
                node
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Call)
            )
            found |= {text for call in calls if (text := _marked_in(call))}
    return found


def test_every_marked_text_has_a_chinese_sentence():
    written = _written()
    assert {text for text in _marked() if not written.get(text)} == set()


def test_placeholders_are_the_same_in_both_languages():
    names = re.compile(r"\{(\w*)\}")
    wrong = [
        text for text, zh in _written().items() if sorted(names.findall(text)) != sorted(names.findall(zh))
    ]
    assert wrong == []


def test_the_compiled_file_is_up_to_date():
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    stale = {text for text, zh in _written().items() if compiled.gettext(text) != zh}
    assert stale == set()
