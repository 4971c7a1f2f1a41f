"""Write down what the migrations leave behind: `make guards`, after a migration that adds or changes a guard."""

import os
import tempfile
from pathlib import Path

import psycopg

from trialsite.audit import guards


def main() -> None:
    """Migrate a database of its own, and write its guards beside the module that compares them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trialsite.settings")
    from tests.conftest import Cluster

    with tempfile.TemporaryDirectory(prefix="ts", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(Path(folder))
        cluster.start()
        try:
            with (
                psycopg.connect(cluster.url("edc_owner", "template_trialsite")) as connection,
                connection.cursor() as cursor,
            ):
                guards.EXPECTED.write_text(guards.written(guards.present(cursor)), encoding="utf-8")
        finally:
            cluster.server.stop()


if __name__ == "__main__":
    main()
