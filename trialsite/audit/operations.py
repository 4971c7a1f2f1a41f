"""Migration operations that put a table under the trail or freeze its rows."""

from collections.abc import Sequence

from django.db.migrations.operations import RunSQL


def _arguments(*values: str) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


class Audited(RunSQL):
    """Every insert, update and delete of `table` writes a trail row; TRUNCATE is refused.

    `secret` columns are trailed as *changed*, without content. `key` is the column that names the row.
    """

    def __init__(self, table: str, *, secret: Sequence[str] = (), key: str = "id") -> None:
        super().__init__(
            f"CREATE TRIGGER {table}_trail AFTER INSERT OR UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION edc_trail({_arguments(key, *secret)});"
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION edc_no_truncate();",
            f"DROP TRIGGER {table}_trail ON {table}; DROP TRIGGER {table}_no_truncate ON {table};",
        )
        self.table = table

    def describe(self) -> str:
        return f"Trail of {self.table}"


class Frozen(RunSQL):
    """Rows of `table` are never deleted, and only the columns in `allow_update` may change."""

    def __init__(self, table: str, *, allow_update: Sequence[str] = ()) -> None:
        super().__init__(
            f"CREATE TRIGGER {table}_frozen BEFORE UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION edc_frozen({_arguments(*allow_update)});",
            f"DROP TRIGGER {table}_frozen ON {table};",
        )
        self.table = table

    def describe(self) -> str:
        return f"Freeze of {self.table}"
