"""Whether a sealed list may be installed here: asked before anything is written, since a list stays for ever."""

from collections.abc import Mapping
from typing import Any, Final

import jsonschema
from django.conf import settings

from randomization.generation import FORMAT, demo_commitment
from randomization.rules import factors, sealing
from trialsite.protocol.definition import Definition
from trialsite.protocol.models import ProtocolVersion

_HASH: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NUMBER: Final = "^-?[0-9]+(/[1-9][0-9]*)?$"
_NAME: Final = {"type": "string", "minLength": 1}
_ENTRY: Final = {
    "type": "object",
    "required": ["index", "leaf", "ciphertext"],
    "properties": {
        "index": {"type": "integer"},
        "leaf": _HASH,
        "ciphertext": {"type": "string", "pattern": "^([0-9a-f]{2})+$"},
    },
}
_STRATUM: Final = {
    "type": "object",
    "required": ["stratum", "root", "entries", "emergency"],
    "properties": {
        "stratum": _NAME,
        "root": _HASH,
        "entries": {"type": "array", "minItems": 1, "items": _ENTRY},
        "emergency": {
            "type": "object",
            "required": ["root", "entries"],
            "properties": {
                "root": {"type": "string", "pattern": "^([0-9a-f]{64})?$"},
                "entries": {"type": "array", "items": _ENTRY},
            },
        },
    },
}
_FACTOR: Final = {
    "type": "object",
    "required": ["name", "item", "levels"],
    "properties": {
        "name": _NAME,
        "item": {"type": "string", "pattern": "^[^/]+/[^/]+/[^/]+$"},
        "levels": {
            "type": "array",
            "minItems": 2,
            "items": {
                "type": "object",
                "required": ["level"],
                "properties": {
                    "level": _NAME,
                    "is": {"type": "array", "items": {"type": "string"}},
                    "from": {"type": "string", "pattern": _NUMBER},
                    "to": {"type": "string", "pattern": _NUMBER},
                },
                "oneOf": [{"required": ["is"]}, {"required": ["from", "to"]}],
            },
        },
    },
}
_SHAPE: Final = {
    "type": "object",
    "required": [
        "format",
        "trial",
        "environment",
        "specification_hash",
        "rule",
        "commitments",
        "public",
        "arms",
        "factors",
        "strata",
    ],
    "properties": {
        "trial": _NAME,
        "environment": _NAME,
        "specification_hash": _HASH,
        "rule": {"type": "string", "pattern": "^([0-9a-f]{2})+$"},
        "public": {"type": "string", "pattern": "^([0-9a-f]{2})*$"},
        "factors": {"type": "array", "items": _FACTOR},
        "commitments": {"type": "object", "minProperties": 1, "additionalProperties": _HASH},
        "arms": {"type": "array", "items": _NAME},
        "strata": {"type": "array", "items": _STRATUM},
    },
}


def unfit(document: Any, version: ProtocolVersion | None, total_cap: int) -> str:
    """Why `document` may not be installed for the protocol in force; an empty string when it may."""
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        return f"its format is not {FORMAT}"
    mistake = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(_SHAPE).iter_errors(document))
    if mistake:
        return f"{mistake.json_path}: {mistake.message}"
    if document["environment"] != settings.TRIALSITE_ENV:
        return f"it was made for the environment {document['environment']}"
    if settings.TRIALSITE_ENV == "prod" and _demo(document):
        return "it is made of the demo's secret"
    if version is None:
        return "no protocol is loaded"
    return _foreign(document, version.definition) or _incomplete(document, total_cap)


def _demo(document: Mapping[str, Any]) -> bool:
    return demo_commitment(document["trial"]) in document["commitments"].values()


def _foreign(document: Mapping[str, Any], trial: Definition) -> str:
    """What belongs to another trial."""
    if document["trial"] != trial.id:
        return f"it was made for the trial {document['trial']}, not for {trial.id}"
    arms = sorted(arm.code for arm in trial.arms)
    if document["arms"] != arms:
        return f"its arms are {document['arms']}, the protocol's are {arms}"
    listed = [part["stratum"] for part in document["strata"]]
    cuts = [factors.Factor.of(factor) for factor in document["factors"]]
    for cut in cuts:
        why = _unknown(cut, trial)
        if why:
            return f"its factor {cut.name}: {why}"
    wanted = factors.strata([site.code for site in trial.sites], cuts)
    if sorted(listed) != sorted(wanted):
        return f"its strata are {listed}, the protocol's are {list(wanted)}"
    return ""


def _unknown(factor: factors.Factor, trial: Definition) -> str:
    """What the protocol does not know of a factor: its item, or a value that falls into no level."""
    try:
        item = trial.form(factor.form).items[factor.item]
        collected = factor.form in trial.visit(factor.event).forms
    except KeyError:  # `Unknown` is one
        return f"the protocol has no item {factor.event}/{factor.form}/{factor.item}"
    if not collected:
        return f"{factor.form} is not collected at {factor.event}"
    if item.type in ("choice", "boolean"):
        codes = [choice.code for choice in item.choices] or ["true", "false"]
        lost = [code for code in codes if factor.level_of(code) is None]
        return f"{', '.join(lost)} fall into no level" if lost else ""
    if item.type in ("integer", "decimal"):
        ends = [item.hard.low, item.hard.high] if item.hard else []
        lost = [str(end) for end in ends if end is not None and factor.level_of(end) is None]
        return f"{', '.join(lost)} fall into no level" if lost else ""
    return f"an item of type {item.type} cannot be a factor"


def _incomplete(document: Mapping[str, Any], total_cap: int) -> str:
    for part in document["strata"]:
        if len(part["entries"]) < total_cap:
            return f"{part['stratum']} holds fewer entries than the total cap of {total_cap}"
        for entries, root in (
            (part["entries"], part["root"]),
            (part["emergency"]["entries"], part["emergency"]["root"]),
        ):
            if [entry["index"] for entry in entries] != list(range(1, len(entries) + 1)):
                return f"the entries of {part['stratum']} are not numbered from 1 without gaps"
            leaves = [bytes.fromhex(entry["leaf"]) for entry in entries]
            if (sealing.root(leaves).hex() if leaves else "") != root:
                return f"the entries of {part['stratum']} do not fit its root"
    return ""
