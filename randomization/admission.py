"""Whether a sealed list may be installed here: asked before anything is written, since a list stays for ever."""

import json
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _

from randomization import opening
from randomization.errors import ListDamaged
from randomization.generation import FORMAT, demo_commitment
from randomization.rules import factors, sealing
from randomization.rules.specification import Specification
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


def unfit(document: Any, version: ProtocolVersion, total_cap: int) -> str:
    """Why `document` may not be installed for `version`, the protocol in force; an empty string when it may."""
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        return _("its format is not {format}").format(format=FORMAT)
    import jsonschema  # here: reading it would slow the start of every process

    mistake = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(_SHAPE).iter_errors(document))
    if mistake:
        return f"{mistake.json_path}: {mistake.message}"
    if document["environment"] != settings.TRIALSITE_ENV:
        return _("it was made for the environment {environment}").format(**document)
    if settings.TRIALSITE_ENV == "prod" and _demo(document):
        return _("it is made of the demo's secret")
    most = version.definition.total_cap
    if not 1 <= total_cap <= most:
        return _("the total cap of {cap} is not one from 1 to the protocol's {most}").format(
            cap=total_cap, most=most
        )
    return _foreign(document, version.definition) or _incomplete(document, total_cap) or _shut(document)


def _demo(document: Mapping[str, Any]) -> bool:
    return demo_commitment(document["trial"]) in document["commitments"].values()


def _foreign(document: Mapping[str, Any], trial: Definition) -> str:
    """What belongs to another trial."""
    if document["trial"] != trial.id:
        return _("it was made for the trial {trial}, not for {ours}").format(
            trial=document["trial"], ours=trial.id
        )
    arms = sorted(arm.code for arm in trial.arms)
    if document["arms"] != arms:
        return _("its arms are {found}, the protocol's are {wanted}").format(
            found=document["arms"], wanted=arms
        )
    listed = [part["stratum"] for part in document["strata"]]
    cuts = [factors.Factor.of(factor) for factor in document["factors"]]
    for cut in cuts:
        why = _unknown(cut, trial)
        if why:
            return _("its factor {name}: {why}").format(name=cut.name, why=why)
    wanted = factors.strata([site.code for site in trial.sites], cuts)
    if sorted(listed) != sorted(wanted):
        return _("its strata are {found}, the protocol's are {wanted}").format(
            found=listed, wanted=list(wanted)
        )
    return ""


def _unknown(factor: factors.Factor, trial: Definition) -> str:
    """What the protocol does not know of a factor: its item, or a value that falls into no level."""
    try:
        item = trial.form(factor.form).items[factor.item]
        collected = factor.form in trial.visit(factor.event).forms
    except KeyError:  # `Unknown` is one
        return _("the protocol has no item {item}").format(item=f"{factor.event}/{factor.form}/{factor.item}")
    if not collected:
        return _("{form} is not collected at {event}").format(form=factor.form, event=factor.event)
    if item.type in ("choice", "boolean"):
        codes = [choice.code for choice in item.choices] or ["true", "false"]
        lost = [code for code in codes if factor.level_of(code) is None]
        return _("{codes} fall into no level").format(codes=", ".join(lost)) if lost else ""
    if item.type in ("integer", "decimal"):
        ends = [item.hard.low, item.hard.high] if item.hard else []
        lost = [str(end) for end in ends if end is not None and factor.level_of(end) is None]
        return _("{codes} fall into no level").format(codes=", ".join(lost)) if lost else ""
    return _("an item of type {type} cannot be a factor").format(type=item.type)


def _incomplete(document: Mapping[str, Any], total_cap: int) -> str:
    for part in document["strata"]:
        if len(part["entries"]) < total_cap:
            return _("{stratum} holds fewer entries than the total cap of {cap}").format(
                stratum=part["stratum"], cap=total_cap
            )
        for entries, root in (
            (part["entries"], part["root"]),
            (part["emergency"]["entries"], part["emergency"]["root"]),
        ):
            if [entry["index"] for entry in entries] != list(range(1, len(entries) + 1)):
                return _("the entries of {stratum} are not numbered from 1 without gaps").format(
                    stratum=part["stratum"]
                )
            leaves = [bytes.fromhex(entry["leaf"]) for entry in entries]
            if (sealing.root(leaves).hex() if leaves else "") != root:
                return _("the entries of {stratum} do not fit its root").format(stratum=part["stratum"])
    return ""


def _shut(document: Mapping[str, Any]) -> str:
    """What this server could not open when it is needed, or what was sealed by another rule than is told in the open.

    Everything is opened once, and nothing of it is kept.
    """
    trial, environment = document["trial"], document["environment"]
    try:
        text = opening.opened_rule(
            bytes.fromhex(document["rule"]),
            trial=trial,
            environment=environment,
            published=document["specification_hash"],
        )
        rule = Specification.of(json.loads(text))
    except ListDamaged:
        return _(
            "its specification does not open to the published hash under this server's SEQUENCE_KEY; seal it with the"
            " key of this server"
        )
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return _("its specification cannot be read")
    told = {
        part["stratum"]: (len(part["entries"]), len(part["emergency"]["entries"]))
        for part in document["strata"]
    }
    if (
        (rule.trial, rule.environment, sorted(rule.arms)) != (trial, environment, document["arms"])
        or [factor.document() for factor in rule.factors] != document["factors"]
        or told != dict.fromkeys(rule.strata, (rule.length, rule.emergency))
    ):
        return _("its arms, factors, strata or lengths are not those of its specification")
    drawn = rule.method == "minimisation"
    for part in document["strata"]:
        for kind, entries in (
            (sealing.MAIN, part["entries"]),
            (sealing.EMERGENCY, part["emergency"]["entries"]),
        ):
            for entry in entries:
                place = opening.Place(trial, environment, part["stratum"], entry["index"], kind)
                ciphertext, leaf = bytes.fromhex(entry["ciphertext"]), bytes.fromhex(entry["leaf"])
                if not opening.can_open(ciphertext, place, document["arms"], leaf=leaf, drawn=drawn):
                    return _(
                        "entry {index} ({kind}) of {stratum} does not open under this server's SEQUENCE_KEY to what"
                        " its leaf binds"
                    ).format(index=entry["index"], kind=kind, stratum=part["stratum"])
    return ""
