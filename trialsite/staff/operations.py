"""Migration operations: row-level security by the actor's hospitals, and signatures that fall with what they cover."""

from collections.abc import Sequence

from django.db.migrations.operations import RunSQL


class SitePolicy(RunSQL):
    """The serving role sees and writes rows of `table` only at hospitals where the bound actor holds `sees`.

    With `hides_arm`, rows whose `arm_column` is true are seen only where the actor also holds `arm.see`; they
    may still be inserted, since the act of randomizing is not the right to read every arm.
    With `shared`, rows without a hospital belong to the trial and are open to every actor.
    ENABLE without FORCE: the owner's migrations see every row, the application is never the owner.
    """

    def __init__(
        self,
        table: str,
        *,
        site_column: str = "site_id",
        sees: str = "participant.view",
        hides_arm: bool = False,
        arm_column: str = "reveals_arm",
        shared: bool = False,
    ) -> None:
        here = f"{site_column} = ANY ((SELECT edc_sites('{sees}'))::bigint[])"
        if shared:
            here = f"({site_column} IS NULL AND edc_actor() IS NOT NULL OR {here})"
        seen = here
        if hides_arm:
            seen = f"{here} AND (NOT {arm_column} OR {site_column} = ANY ((SELECT edc_sites('arm.see'))::bigint[]))"
        super().__init__(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY {table}_read ON {table} FOR SELECT USING ({seen});"
            f"CREATE POLICY {table}_insert ON {table} FOR INSERT WITH CHECK ({here});"
            f"CREATE POLICY {table}_update ON {table} FOR UPDATE USING ({seen}) WITH CHECK ({here});"
            f"CREATE POLICY {table}_delete ON {table} FOR DELETE USING ({seen});",
            f"DROP POLICY {table}_read ON {table}; DROP POLICY {table}_insert ON {table};"
            f"DROP POLICY {table}_update ON {table}; DROP POLICY {table}_delete ON {table};"
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;",
        )
        self.table = table

    def describe(self) -> str:
        return f"Row policy of {self.table}"


class Signable(RunSQL):
    """A change of one of `columns` in a row of `table` ends the standing signatures that cover it as (`kind`, id).

    Services end them first, with their own reason; this stands behind them, raw SQL included (21 CFR 11.70).
    """

    def __init__(self, table: str, *, kind: str, columns: Sequence[str]) -> None:
        changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in columns)
        super().__init__(
            f"CREATE TRIGGER {table}_signable AFTER UPDATE ON {table}"
            f" FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION edc_fall('{kind}');",
            f"DROP TRIGGER {table}_signable ON {table};",
        )
        self.table = table

    def describe(self) -> str:
        return f"Signatures over {self.table} fall with it"
