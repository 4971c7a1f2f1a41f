"""Reads a protocol folder: every error at once, each with file, place and what was expected; or one document.

`protocol.yaml` (identity, arms, settings, open questions), `sites.yaml`, `schedule.yaml`, `criteria.yaml`,
`reminders.yaml`, `forms/*.yaml`. Structure is checked by JSON Schema, meaning by the checks in `meaning`, which leave
alone what has no structure and read the expressions of the rest (`remains`): one mistake hides no other.
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
from trialsite.protocol.meaning import Rest, problems_of
from trialsite.protocol.remains import remains

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


class Loader(yaml.SafeLoader):
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
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _as_written(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


Loader.add_constructor("tag:yaml.org,2002:float", _as_written)


def read(folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The document of `folder` and every problem found; the document is to be used only when there is none."""
    files = _FILES | {
        f"form:{path.stem}": f"forms/{path.name}" for path in sorted((folder / "forms").glob("*.yaml"))
    }
    problems: list[Problem] = []
    document: dict[str, Any] = {"forms": []}
    broken: dict[str, Rest] = {}
    for part, name in files.items():
        is_form = part.startswith("form:")
        content, found = _file(folder / name, name, schema.FORM if is_form else schema.PARTS[part])
        if is_form and not found and content["code"] != (stem := part.removeprefix("form:")):
            found = [Problem(name, "code", f"expected {stem!r}, as the file is named")]
        problems += found
        if found:
            broken[part] = remains(part, content)
        elif is_form:
            document["forms"].append(content)
        else:
            document[part] = content
    problems += [
        Problem(files[part], path, sentence) for part, path, sentence in problems_of(document, broken)
    ]
    return document, sorted(problems)


def sha256(document: dict[str, Any]) -> str:
    """The hash of a document: SHA-256 of its JSON with sorted keys, no blanks, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _file(path: Path, name: str, wanted: dict[str, Any]) -> tuple[Any, list[Problem]]:
    """The content of one file, and what is wrong with its structure."""
    try:
        if path.stat().st_size > _LARGEST:
            return None, [Problem(name, "", "is larger than 1 MB")]
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 -- a SafeLoader, made stricter
    except OSError as error:
        return None, [Problem(name, "", f"cannot be read: {error.strerror}")]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return None, [Problem(name, "", f"is not plain YAML: {error}".replace("\n", " "))]
    return content, list(_structure(content, name, wanted))


def _structure(content: Any, name: str, wanted: dict[str, Any]) -> Iterator[Problem]:
    for error in Draft202012Validator(wanted).iter_errors(content):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        yield Problem(name, path.lstrip("."), schema.sentence(error))
