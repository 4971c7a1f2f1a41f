"""The statements behind the tables. Every name in them comes from the definition, quoted; no value from outside."""

from collections.abc import Sequence
from typing import Final

from psycopg import sql

from trialsite.exports.columns import KEYS, Column

# Exact numbers may be fractions ("200/3"): tables carry 12 decimals then.
_NUMBER: Final = (
    "CASE WHEN {path} LIKE '%/%'"
    " THEN round(split_part({path}, '/', 1)::numeric / split_part({path}, '/', 2)::numeric, 12)"
    " ELSE ({path})::numeric END"
)
_FROM: Final = (
    " FROM ({visible}) r JOIN participants_participant p ON p.id = r.participant_id"
    " JOIN sites_site s ON s.id = r.site_id JOIN protocol_protocolversion v ON v.id = r.protocol_version_id"
)
_KEY_VALUES: Final = (
    "v.trial_id",
    "v.version",
    "s.code",
    "p.code",
    "r.event",
    "r.repeat",
    "r.state",
    "r.version",
    "r.observed_on",
)
LONG_COLUMNS: Final = (*KEYS, "form", "item", "value", "entered", "sign", "unit", "uln", "missing")


def wide(form: str, columns: Sequence[Column], visible: str) -> sql.Composed:
    """One row for each record of `form`. `visible` is the SQL of the records that the reader may see."""
    picked = [
        sql.SQL("{} AS {}").format(sql.SQL(value), sql.Identifier(name))
        for name, value in zip(KEYS, _KEY_VALUES, strict=True)
    ]
    picked += [sql.SQL("{} AS {}").format(_value(column), sql.Identifier(column.name)) for column in columns]
    return sql.SQL("SELECT {picked}{source} WHERE r.form = {form} ORDER BY p.code, r.event, r.repeat").format(
        picked=sql.SQL(", ").join(picked),
        source=sql.SQL(_FROM).format(visible=sql.SQL(visible)),
        form=sql.Literal(form),
    )


def long(visible: str) -> sql.Composed:
    """One row for each entry of each record."""
    keys = ", ".join(f"{value} AS {name}" for name, value in zip(KEYS, _KEY_VALUES, strict=True))
    return sql.SQL(
        "SELECT {keys}, r.form AS form, e.key AS item,"
        " coalesce(e.value ->> 'si', CASE jsonb_typeof(e.value -> 'value')"
        " WHEN 'boolean' THEN CASE WHEN (e.value -> 'value')::boolean THEN 'Y' ELSE 'N' END"
        " WHEN 'array' THEN (SELECT string_agg(c, ';' ORDER BY c) FROM jsonb_array_elements_text(e.value -> 'value') c)"
        " ELSE e.value ->> 'value' END) AS value,"
        " CASE WHEN e.value ? 'si' THEN e.value ->> 'value' END AS entered, e.value ->> 'sign' AS sign,"
        " e.value ->> 'unit' AS unit, e.value ->> 'uln' AS uln, e.value ->> 'missing' AS missing"
        "{source} CROSS JOIN LATERAL jsonb_each(r.data) e ORDER BY p.code, r.event, r.form, r.repeat, e.key"
    ).format(
        keys=sql.SQL(keys),
        source=sql.SQL(_FROM).format(visible=sql.SQL(visible)),
    )


def _value(column: Column) -> sql.Composable:
    entry = sql.SQL("r.data -> {}").format(sql.Literal(column.item.name))

    def part(key: str) -> sql.Composable:
        return sql.SQL("{} ->> {}").format(entry, sql.Literal(key))

    match column.kind:
        case "number":
            # What is computed is stored as it is shown, in the canonical unit.
            return sql.SQL(_NUMBER).format(path=part("value" if column.item.derive else "si"))
        case "uln":
            return sql.SQL(_NUMBER).format(path=part("uln_si"))
        case "yes_no":
            return sql.SQL("CASE {} WHEN 'true' THEN 'Y' WHEN 'false' THEN 'N' END").format(part("value"))
        case "code":
            return sql.SQL(
                "CASE WHEN {entry} ? 'value' THEN CASE WHEN {entry} -> 'value' ? {code} THEN 'Y' ELSE 'N' END END"
            ).format(entry=entry, code=sql.Literal(column.code))
        case "entered":
            return part("value")
        case "text":
            return part("value")
        case "found":
            return sql.SQL("{} #>> '{{told,code}}'").format(entry)
        case "about":
            return sql.SQL("{} #>> '{{told,params}}'").format(entry)
        case _:
            return part(column.kind)
