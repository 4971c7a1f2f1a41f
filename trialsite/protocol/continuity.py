"""What an amendment may not change: pure. The values of an item stand in one column, whatever their version."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

# These hold numbers alike.
_ALIKE: Final = {"integer": "decimal"}


def broken(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(form, path inside its file, sentence) for each item of `after` that holds something else than it did `before`.

    Of another unit or type it is another item, and takes another name: one column cannot hold both.
    """
    known = {
        (form["code"], item["name"]): item
        for form in before["forms"]
        for section in form["sections"]
        for item in section["items"]
    }
    for form in after["forms"]:
        for place, section in enumerate(form["sections"]):
            for number, item in enumerate(section["items"]):
                old = known.get((form["code"], item["name"]))
                path = f"sections[{place}].items[{number}]"
                for part in ("type", "unit") if old else ():
                    was, now = _meant(old, part), _meant(item, part)
                    if was != now:
                        told = (
                            f"{item['name']!r} had the {part} {was!r} in version {before['trial']['version']}"
                        )
                        yield form["code"], f"{path}.{part}", f"{told}: with another it takes another name"


def _meant(item: Any, part: str) -> str | None:
    value: str | None = item.get(part)
    return _ALIKE.get(value or "", value)
