"""Reads a protocol folder: every error at once, each with file, place and what was expected; or one document.

`protocol.yaml` (identity, arms, settings, open questions), `sites.yaml`, `schedule.yaml`, `criteria.yaml`,
`reminders.yaml`, `forms/*.yaml`. Structure is checked by JSON Schema, meaning by the checks in `meaning.py`.
"""

import hashlib
import json
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from trialsite.protocol import schema
from trialsite.protocol.meaning import problems_of

_FILES = {
    "trial": "protocol.yaml",
    "sites": "sites.yaml",
    "visits": "schedule.yaml",
    "criteria": "criteria.yaml",
    "reminders": "reminders.yaml",
}
_LARGEST = 1_000_000


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake: `file`, `path` inside it (as `visits[3].day`), and a sentence."""

    file: str
    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}: {self.path or 'the whole file'}: {self.sentence}"


class _Loader(yaml.SafeLoader):
    """Plain YAML: no aliases (they hide what a reader sees), no key twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.constructor.ConstructorError(
                None,
                None,
                "aliases are not used here",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"“{key}” stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


# Dates and decimals stay as written: the document is JSON and its numbers are read exactly later.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _as_written(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:float", _as_written)


def read(folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The document of `folder` and every problem found; the document is to be used only when there is none."""
    problems: list[Problem] = []
    document: dict[str, Any] = {}
    for part, name in _FILES.items():
        document[part] = _file(folder / name, name, schema.PARTS[part], problems)
    document["forms"] = []
    places: dict[str, str] = {}
    for path in sorted((folder / "forms").glob("*.yaml")):
        name = f"forms/{path.name}"
        form = _file(path, name, schema.FORM, problems)
        if isinstance(form, dict) and "code" in form:
            places[str(form["code"])] = name
            if form["code"] != path.stem:
                problems.append(Problem(name, "code", f"expected {path.stem!r}, as the file is named"))
        document["forms"].append(form)
    if not problems:
        files = _FILES | {f"form:{code}": name for code, name in places.items()}
        problems = [Problem(files[part], path, sentence) for part, path, sentence in problems_of(document)]
    return document, sorted(problems)


def sha256(document: dict[str, Any]) -> str:
    """The hash of a document: SHA-256 of its JSON with sorted keys, no blanks, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _file(path: Path, name: str, wanted: dict[str, Any], problems: list[Problem]) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            problems.append(Problem(name, "", "is larger than 1 MB"))
            return None
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 -- a SafeLoader, made stricter
    except OSError as error:
        problems.append(Problem(name, "", f"cannot be read: {error.strerror}"))
        return None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        problems.append(Problem(name, "", f"is not plain YAML: {error}".replace("\n", " ")))
        return None
    problems += _structure(content, name, wanted)
    return content


def _structure(content: Any, name: str, wanted: dict[str, Any]) -> Iterator[Problem]:
    for error in Draft202012Validator(wanted).iter_errors(content):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        yield Problem(name, path.lstrip("."), schema.sentence(error))
