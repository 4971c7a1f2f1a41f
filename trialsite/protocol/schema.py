"""The structure of the protocol's files, as JSON Schema (draft 2020-12)."""

from typing import Any

from jsonschema import ValidationError

Schema = dict[str, Any]


def _object(required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


def _list(items: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def _one_of(*values: str) -> Schema:
    return {"enum": list(values)}


WORDS: Schema = {"type": "string", "minLength": 1, "maxLength": 1000}
TEXT = _object({"en": WORDS, "zh": WORDS | {"pattern": "[\u4e00-\u9fff0-9A-Z]"}})
CODE: Schema = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,39}$"}
NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"}
# A number may stand as 2.5 (kept as written), "0.6" or "5/442".
NUMBER: Schema = {
    "anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?(/[0-9]+)?$"}]
}
DAYS: Schema = {"type": "integer", "minimum": -3660, "maximum": 3660}
SPAN: Schema = {"type": "integer", "minimum": 0, "maximum": 3660}
FLAG: Schema = {"type": "boolean"}
RULE: Schema = {"type": "string", "minLength": 1, "maxLength": 2000}
RANGE: Schema = {
    "type": "array",
    "items": {"anyOf": [NUMBER, {"type": "null"}]},
    "minItems": 2,
    "maxItems": 2,
}

# The CDASH variable, after a point the test it belongs to where rows of one domain stand side by side.
CDASH: Schema = {"type": "string", "pattern": r"^[A-Z][A-Z0-9]{1,7}(\.[A-Z0-9]{1,12})?$"}

ITEM = _object(
    {
        "name": NAME,
        "label": TEXT,
        "type": _one_of(
            "integer", "decimal", "boolean", "date", "time", "datetime", "text", "choice", "multichoice"
        ),
    },
    {
        "unit": WORDS,
        "accepted_units": {"type": "object", "additionalProperties": NUMBER},
        "refused_units": {
            "type": "object",
            "additionalProperties": {"anyOf": [RANGE, {"type": "null"}]},
            "minProperties": 1,
        },
        "hard": RANGE,
        "soft": RANGE,
        "required": FLAG,
        "choices": _list(
            _object(
                {"code": {"type": "string", "pattern": "^[A-Za-z0-9_+-]{1,40}$"}, "label": TEXT},
                {"cdash": CDASH},
            ),
            1,
        ),
        "uln": FLAG,
        "signed": FLAG,
        "partial": FLAG,
        "future": FLAG,
        "needed": FLAG,
        "show_if": RULE,
        "cdash": CDASH,
        "derive": RULE,
        "decimals": {"type": "integer", "minimum": 0, "maximum": 6},
        "lines": {"type": "integer", "minimum": 2, "maximum": 30},
    },
)
CHECK = _object({"id": NAME, "item": NAME, "expression": RULE, "message": TEXT}, {"refuse": FLAG})
_ROLES: Schema = {"type": "object", "additionalProperties": NAME}
_SCALE = _object(
    {
        "name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]{0,29}$"},
        "label": TEXT,
        "kind": _one_of("mean", "share", "function", "symptom"),
        "span": {"type": "integer", "minimum": 1},
        "items": _list(NAME, 1),
    },
    {"least": {"type": "integer", "minimum": 1}, "lowest": {"type": "integer"}, "reversed": _list(NAME, 1)},
)


def _scored(algorithm: str, required: Schema, optional: Schema | None = None) -> Schema:
    """How a form is scored: the algorithm, the version of its key, and where it was published."""
    return _object(
        {"algorithm": {"const": algorithm}, "version": WORDS, "source": WORDS} | required, optional
    )


SCORE: Schema = {
    "oneOf": [
        _scored("scales", {"scales": _list(_SCALE, 1)}),
        _scored(
            "eq5d",
            {"items": _list(NAME, 5) | {"maxItems": 5}},
            {"value_set": {"type": "object", "additionalProperties": _list(NUMBER, 1)}},
        ),
        _scored("sins", {"roles": _ROLES}),
        _scored("opioids", {"roles": _ROLES, "factors": {"type": "object", "additionalProperties": NUMBER}}),
    ]
}
# Key facts that a form may record, and the parts that other forms and events play: see `parts`.
DRIVES = ("surgery", "treatment_start", "treatment_end", "death", "withdrawal")
FORM_ROLES = ("deviation", "arm_deviation")
VISIT_ROLES = ("screening", "randomization", "unscheduled")
FORM = _object(
    {"code": NAME, "name": TEXT, "sections": _list(_object({"label": TEXT, "items": _list(ITEM, 1)}), 1)},
    {
        "repeating": FLAG,
        "drives": _one_of(*DRIVES),
        "role": _one_of(*FORM_ROLES),
        "reveals_arm": FLAG,
        "valid_days": SPAN,
        "observed_item": NAME,
        "time_item": NAME,
        "source_item": NAME,
        "study_specific": FLAG,
        "files_identify": FLAG,
        "checks": _list(CHECK),
        "note": TEXT,
        "score": SCORE,
    },
)


def _named(*parts: str) -> Schema:
    """A form, and the item of it that plays each part."""
    return _object({"form": NAME} | dict.fromkeys(parts, NAME))


SAFETY = _object(
    {
        "event": _named("onset", "term", "serious", "outcome"),
        "report": _named(
            *("event", "onset", "term", "outcome", "criteria", "relation", "expected"),
            *("aware", "to_sponsor", "onward", "complete", "closed"),
        ),
    }
    | dict.fromkeys(("grave", "fatal", "unrelated", "ended"), _list(WORDS, 1)),
    {"medication": _named("start", "end")},
)
# Roles that a reminder may be for; whoever may not see arms gets none of a visit that reveals one.
STAFF_ROLES = ("coordinator", "investigator", "pi", "assessor", "monitor", "data_manager", "trial_manager")
ITEM_NAME: Schema = {"type": "string", "pattern": "^[a-z][a-z0-9_]*[.][a-z][a-z0-9_]*$"}
SETTING = _object({"value": {"type": ["integer", "string", "boolean"]}, "meaning": TEXT})
PARTS: dict[str, Schema] = {
    "trial": _object(
        {
            "id": CODE,
            "version": WORDS,
            "title": TEXT,
            "total_cap": {"type": "integer", "minimum": 1},
            "anchor": _one_of("surgery", "randomization", "end_of_local_treatment"),
            "arms": _list(_object({"code": CODE, "label": TEXT, "registry_role": WORDS}), 2),
            "settings": {"type": "object", "propertyNames": NAME, "additionalProperties": SETTING},
            "escalation": _list(_one_of(*STAFF_ROLES), 1),
            "discretion": _object({"en": _list(WORDS, 1), "zh": _list(WORDS, 1)}),
            "questions": _list(_object({"id": CODE, "text": TEXT}, {"setting": NAME})),
        },
        {
            "pain_response": _object(
                {
                    "pain": NAME,
                    "scale": NAME,
                    "reference": NAME,
                    "opioids": NAME,
                    "baselines": {"type": "object", "additionalProperties": CODE, "minProperties": 1},
                    "events": _list(CODE, 1),
                    "points": NAME,
                    "percent": NAME,
                }
            ),
            "safety": SAFETY,
            "local_treatment": _object({"fraction": NAME, "planned": ITEM_NAME, "days": NAME}),
            "lost_to_follow_up": _object({"item": ITEM_NAME, "codes": _list(CODE, 1)}),
            "sex_item": ITEM_NAME,
        },
    ),
    "sites": _list(
        _object(
            {
                "code": CODE,
                "number": {"type": "string", "pattern": "^[0-9]{2}$"},
                "name": TEXT,
                "timezone": WORDS,
                "phone": WORDS,
                "target": {"type": "integer", "minimum": 1},
            },
            {"cap": {"type": "integer", "minimum": 1}},
        ),
        1,
    ),
    "visits": _list(
        _object(
            {"code": CODE, "name": TEXT, "kind": _one_of("milestone", "series", "unscheduled")},
            {
                "anchor": {
                    "type": "string",
                    "pattern": "^(surgery|randomization|end_of_local_treatment|visit:[A-Za-z][A-Za-z0-9_]{0,39})$",
                },
                "day": DAYS,
                "weeks": {"type": "integer", "minimum": -520, "maximum": 520},
                "months": {"type": "integer", "minimum": -120, "maximum": 120},
                "before": SPAN,
                "after": SPAN,
                "arms": _list(CODE, 1),
                "reveals_arm": FLAG,
                "forms": _list(NAME),
                "must_follow": _list(CODE),
                "should_follow": _list(CODE),
                "role": _one_of(*VISIT_ROLES),
            },
        ),
        1,
    ),
    "criteria": _list(
        _object(
            {
                "id": {"type": "string", "pattern": "^[A-Z][A-Za-z0-9-]{0,11}$"},
                "kind": _one_of("inclusion", "exclusion"),
                "title": TEXT,
                "rule": RULE,
                "basis": _one_of("computed", "attested", "mixed"),
            },
            {"reading": TEXT, "settings": _list(NAME, 1), "recheck_at_randomization": FLAG},
        ),
        1,
    ),
    "reminders": _list(
        _object(
            {
                "kind": NAME,
                "audience": _one_of(*STAFF_ROLES, "participant"),
                "relative_to": _one_of("opens", "closes", "appointment"),
                "offset_days": DAYS,
                "at": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
                "channel": _one_of("email", "sms", "preferred"),
                "subject": TEXT,
                "body": TEXT,
            },
            {"name": TEXT},
        )
    ),
}


def sentence(error: ValidationError) -> str:
    """What was expected, in one sentence."""
    match error.validator:
        case "required":
            return f"{error.message} (expected)"
        case "enum":
            return f"{error.instance!r} found; expected one of: {', '.join(map(str, error.validator_value))}"
        case "type":
            return f"{error.instance!r} found; expected a value of type {error.validator_value}"
        case "oneOf":
            return "fits none of the algorithms: " + "; ".join(
                sorted({sentence(part) for part in error.context or ()})
            )
        case "pattern":
            return f"{error.instance!r} found; expected the form {error.validator_value}"
    return str(error.message)[:300]
