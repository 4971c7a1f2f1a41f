"""Whether a sealed list may be installed here: asked before anything is written, since a list stays for ever."""

from collections.abc import Mapping
from typing import Any, Final

import jsonschema
from django.conf import settings

from randomization.generation import FORMAT, demo_commitment
from randomization.rules import sealing
from trialsite.protocol.definition import Definition
from trialsite.protocol.models import ProtocolVersion

_HASH: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
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
    "required": ["stratum", "root", "entries"],
    "properties": {
        "stratum": _NAME,
        "root": _HASH,
        "entries": {"type": "array", "minItems": 1, "items": _ENTRY},
    },
}
_SHAPE: Final = {
    "type": "object",
    "required": ["format", "trial", "environment", "specification_hash", "commitments", "arms", "strata"],
    "properties": {
        "trial": _NAME,
        "environment": _NAME,
        "specification_hash": _HASH,
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
    wanted = [f"site={site.code}" for site in trial.sites]
    if sorted(listed) != sorted(wanted):
        return f"its strata are {listed}, the protocol's are {wanted}"
    return ""


def _incomplete(document: Mapping[str, Any], total_cap: int) -> str:
    for part in document["strata"]:
        entries = part["entries"]
        if len(entries) < total_cap:
            return f"{part['stratum']} holds fewer entries than the total cap of {total_cap}"
        if [entry["index"] for entry in entries] != list(range(1, len(entries) + 1)):
            return f"the entries of {part['stratum']} are not numbered from 1 without gaps"
        leaves = [bytes.fromhex(entry["leaf"]) for entry in entries]
        if sealing.root(leaves).hex() != part["root"]:
            return f"the entries of {part['stratum']} do not fit its root"
    return ""
