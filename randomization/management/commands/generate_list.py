"""Make a sealed list from the statistician's specification. Needs no database; the seed is never stored."""

import json
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from randomization import generation, upload, vault
from randomization.rules.specification import BadSpecification, read
from trialsite.staff.capabilities import HOST


class Command(BaseCommand):
    """Run it on a machine of the statistician's, with the same SEQUENCE_KEY that the server will have."""

    capability = HOST
    help = "Make a sealed randomization list."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("specification", type=Path)
        parser.add_argument(
            "--secret-file",
            type=Path,
            action="append",
            default=[],
            help="32 bytes in hex; one to three times: statistician, sponsor, ethics office",
        )
        parser.add_argument(
            "--from-csv",
            type=Path,
            help="seal this finished list (stratum, index, arm) instead of generating one",
        )
        parser.add_argument("--out", type=Path, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            specification = read(yaml.safe_load(options["specification"].read_text(encoding="utf-8")))
            secrets = [
                bytes.fromhex(path.read_text(encoding="utf-8").strip()) for path in options["secret_file"]
            ]
            key = vault.key_from(settings.SEQUENCE_KEY)
            if options["from_csv"]:
                text = options["from_csv"].read_text(encoding="utf-8")
                document = upload.sealed_upload(text, specification, key)
            else:
                document = generation.sealed_list(specification, secrets, key)
        except BadSpecification as error:
            raise CommandError(f"The specification has {len(error.problems)} mistakes:\n{error}") from error
        except upload.BadUpload as error:
            raise CommandError(f"The list has {len(error.problems)} mistakes:\n{error}") from error
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise CommandError(str(error)) from error
        for warning in specification.warnings():
            self.stderr.write(f"Warning: {warning}")
        try:
            with options["out"].open("x", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
        except OSError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Specification {document['specification_hash']}")
        for part in document["strata"]:
            self.stdout.write(f"{part['stratum']}: root {part['root']}")
