"""Rows in and out by statements that are not built anew each time.

Django builds every statement anew, which for a few rows costs several times what the database takes to run it. For the
rows that every step reads and writes this does the same with the columns of the model; everything else goes through
querysets.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


def row_of(model: type[M], key: int, *, lock: bool = False) -> M | None:
    """The row, with `lock` under a lock until the transaction ends; None where it is not there for whoever is bound."""
    with connection.cursor() as cursor:
        cursor.execute(_reading(model) + " FOR UPDATE" if lock else _reading(model), [key])
        found = cursor.fetchone()
    return None if found is None else made_of(model, found)


def rows_of(model: type[M], condition: str, *values: int | str | None) -> list[M]:
    """The rows for which `condition` holds: SQL of the program's own, with a place (`%s`) for each of `values`."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_listing(model)} WHERE {condition}", values)
        return [made_of(model, one) for one in cursor.fetchall()]


@cache
def columns_of(model: type[models.Model], alias: str) -> str:
    """The columns of `model` in the order in which `made_of` takes their values."""
    return ", ".join(f'{alias}."{field.column}"' for field in model._meta.concrete_fields)


def made_of(model: type[M], values: Sequence[Any]) -> M:
    """The row of which a statement gave these values, in the order of `columns_of`."""
    fields = model._meta.concrete_fields
    read = [
        cast(Any, field).from_db_value(value, None, connection) if hasattr(field, "from_db_value") else value
        for field, value in zip(fields, values, strict=True)
    ]
    return model.from_db(connection.alias, [field.attname for field in fields], read)


def insert(row: models.Model) -> None:
    """Write a new row, as `save(force_insert=True)` does; the database gives it its key."""
    model = type(row)
    values: list[Any] = [
        field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in _given(model)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_writing(model), values)
        (row.pk,) = cursor.fetchone()
    row._state.adding, row._state.db = False, connection.alias


@cache
def _listing(model: type[models.Model]) -> str:
    # The names are those of a model.
    return f'SELECT {columns_of(model, "r")} FROM "{model._meta.db_table}" r'  # noqa: S608


@cache
def _reading(model: type[models.Model]) -> str:
    return f"{_listing(model)} WHERE r.{_key(model)} = %s"


@cache
def _writing(model: type[models.Model]) -> str:
    given = _given(model)
    columns, places = ", ".join(f'"{field.column}"' for field in given), ", ".join("%s" for _ in given)
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ({places}) RETURNING {_key(model)}'  # noqa: S608


@cache
def _given(model: type[models.Model]) -> tuple[Any, ...]:
    return tuple(field for field in model._meta.concrete_fields if not field.primary_key)


def _key(model: type[models.Model]) -> str:
    return f'"{model._meta.pk.column}"'
