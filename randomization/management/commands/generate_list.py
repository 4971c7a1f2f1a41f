"""Make a sealed list in the steps of docs/randomization.md, each from files to a file. Needs no database."""

import csv
import hmac
import json
import os
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from randomization import generation, upload, vault
from randomization.rules import ledger, sealing
from randomization.rules.specification import BadSpecification, Specification, read, reread
from trialsite.protocol.reader import Loader
from trialsite.staff.capabilities import HOST


class Command(BaseCommand):
    """Run it on a machine of the statistician's; only `seal` and `upload` need the server's SEQUENCE_KEY.

    draw: a party's secret and its commitment. freeze: the specification and its hash. seal: combine, generate, hide and
    bind. upload: seal a finished list instead. envelopes: what is printed on paper.
    """

    capability = HOST
    help = "Make a sealed randomization list: draw, freeze, seal (or upload), envelopes."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        steps = parser.add_subparsers(dest="step", required=True)
        draw = steps.add_parser("draw", help="draw a secret of 32 bytes; prints the commitment to publish")
        draw.add_argument("--trial", required=True)
        draw.add_argument("--role", required=True, choices=generation.ROLES)
        draw.add_argument("--out", type=Path, required=True, help="the secret, for its owner's eyes alone")
        freeze = steps.add_parser("freeze", help="check the specification; prints the hash to publish")
        freeze.add_argument("specification", type=Path)
        freeze.add_argument("--out", type=Path, required=True)
        seal = steps.add_parser("seal", help="combine the secrets and seal the list")
        paper = steps.add_parser("envelopes", help="the contents of the envelopes, to print (CSV)")
        for parser_of_step in (seal, paper):
            self._add_secrets(parser_of_step)
        taken = steps.add_parser(
            "upload", help="seal a finished list (CSV: stratum, index, arm; and kind, main or emergency)"
        )
        self._add_secrets(taken)
        taken.add_argument("--csv", type=Path, required=True)
        taken.add_argument(
            "--paper",
            type=Path,
            help="the contents of the envelopes, to print (CSV): needed where there are any",
        )

    @staticmethod
    def _add_secrets(parser: Any) -> None:
        parser.add_argument("frozen", type=Path, help="what `freeze` wrote")
        parser.add_argument(
            "--secret-file",
            type=Path,
            action="append",
            required=True,
            help="one to three times: statistician, sponsor, ethics office; for `upload` the statistician's alone",
        )
        parser.add_argument(
            "--commitment",
            action="append",
            required=True,
            help="of every party, as published, in the same order: a secret that is not the committed one is refused",
        )
        parser.add_argument("--public", default="", help="the public value that was fixed in advance, in hex")
        parser.add_argument("--out", type=Path, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['step']}")(options)
        except BadSpecification as error:
            raise CommandError(f"Mistakes in the specification ({len(error.problems)}):\n{error}") from error
        except upload.BadUpload as error:
            raise CommandError(f"Mistakes in the list ({len(error.problems)}):\n{error}") from error
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            raise CommandError(str(error)) from error

    def _draw(self, options: dict[str, Any]) -> None:
        secret = generation.new_secret()
        handle = os.open(options["out"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret.hex() + "\n")
        self.stdout.write(sealing.commitment(options["trial"], options["role"], secret))

    def _freeze(self, options: dict[str, Any]) -> None:
        text = options["specification"].read_text(encoding="utf-8")
        specification = read(yaml.load(text, Loader))  # noqa: S506 -- a SafeLoader, made stricter
        for warning in specification.warnings():
            self.stderr.write(f"Warning: {warning}")
        _write(options["out"], specification.text())
        self.stdout.write(specification.hash().hex())

    def _seal(self, options: dict[str, Any]) -> None:
        specification, secrets, public = self._combined(options)
        key = vault.key_from(settings.SEQUENCE_KEY)
        self._give(options["out"], generation.sealed_list(specification, secrets, key, public=public))

    def _envelopes(self, options: dict[str, Any]) -> None:
        specification, secrets, public = self._combined(options)
        made = generation.envelopes(specification, secrets, public=public)
        if not made:
            raise ValueError("the specification provides for no envelopes")
        self._print(options["out"], made)

    def _print(self, out: Path, made: list[dict[str, Any]]) -> None:
        # As secret as the secrets: it tells every arm to come.
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, list(made[0]))
            rows.writeheader()
            rows.writerows(made)
        self.stdout.write(f"{len(made)} envelopes")

    def _upload(self, options: dict[str, Any]) -> None:
        specification, secrets, public = self._combined(options)
        if len(secrets) != 1 or public:
            raise ValueError("a finished list has the statistician's secret alone, and no public value")
        key = vault.key_from(settings.SEQUENCE_KEY)
        content = options["csv"].read_bytes()
        document, made = upload.sealed_upload(content, specification, key, secrets[0])
        if made and options["paper"] is None:
            raise ValueError("--paper is needed: without its check code no envelope can be entered")
        if options["out"].exists():
            # Before any paper is written, whose codes would belong to no list.
            raise ValueError(f"{options['out']} exists already")
        if made:
            self._print(options["paper"], made)
        self._give(options["out"], document)

    def _combined(self, options: dict[str, Any]) -> tuple[Specification, list[bytes], bytes]:
        """The specification, and the secrets held against what their owners published."""
        specification = _frozen(options["frozen"])
        secrets = [_secret(path) for path in options["secret_file"]]
        published = options["commitment"]
        if len(published) != len(secrets) or len(secrets) > len(generation.ROLES):
            raise ValueError(
                "as many commitments as secrets are needed, in the same order, of one to three parties"
            )
        for role, secret, told in zip(generation.ROLES, secrets, published, strict=False):
            if not hmac.compare_digest(sealing.commitment(specification.trial, role, secret), told.lower()):
                raise ValueError(f"the secret of the {role} is not the one that was committed")
        return specification, secrets, bytes.fromhex(options["public"])

    def _give(self, out: Path, document: dict[str, Any]) -> None:
        _write(out, json.dumps(document, indent=1))
        self.stdout.write(f"Specification {document['specification_hash']}")
        for role, commitment in document["commitments"].items():
            self.stdout.write(f"Commitment {role} {commitment}")
        roots = {part["stratum"]: part["root"] for part in document["strata"]}
        envelopes = {part["stratum"]: part["emergency"]["root"] for part in document["strata"]}
        for stratum, root in roots.items():
            self.stdout.write(f"{stratum}: root {root}")
            if envelopes[stratum]:
                self.stdout.write(f"{stratum}: root of the envelopes {envelopes[stratum]}")
        if document["public"]:
            self.stdout.write(f"Public value {document['public']}")
        place = (document["trial"], document["environment"], document["specification_hash"])
        self.stdout.write(f"Genesis {ledger.genesis(*place, roots, envelopes)}")


def _frozen(file: Path) -> Specification:
    text = file.read_text(encoding="utf-8").strip()
    specification = reread(json.loads(text))
    if specification.text() != text:
        raise ValueError(f"{file} is not what `freeze` wrote")
    return specification


def _secret(file: Path) -> bytes:
    secret = bytes.fromhex(file.read_text(encoding="ascii").strip())
    if len(secret) != 32:
        raise ValueError(f"{file} does not hold 32 bytes in hex")
    return secret


def _write(file: Path, text: str) -> None:
    """A file that exists is never written over."""
    with file.open("x", encoding="utf-8") as out:
        out.write(text + "\n")
