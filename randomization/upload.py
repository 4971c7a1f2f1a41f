"""A statistician's finished list, sealed in the same form: each r is drawn at random."""

import csv
import hashlib
import io
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from randomization import generation
from randomization.rules import sealing
from randomization.rules.specification import Specification

COLUMNS = ["stratum", "index", "arm"]


class BadUpload(ValueError):
    """The list has mistakes; `problems` names each with its line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def rows(text: str, *, arms: Sequence[str], strata: Sequence[str], length: int) -> dict[str, list[str]]:
    """stratum → arms in the order of their entries; raises BadUpload with every mistake at once."""
    found: dict[str, list[str]] = {stratum: [] for stratum in strata}
    problems: list[str] = []
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    heading = next(reader, [])
    if heading != COLUMNS:
        raise BadUpload([f"line 1: {', '.join(heading) or 'nothing'} found; expected {', '.join(COLUMNS)}"])
    for row in reader:
        line = reader.line_num
        if len(row) != len(COLUMNS):
            problems.append(f"line {line}: {len(row)} values found; expected {len(COLUMNS)}")
            continue
        stratum, index, arm = row
        if arm not in arms:
            problems.append(f"line {line}: arm {arm!r} found; expected one of {', '.join(arms)}")
        if stratum not in found:
            problems.append(f"line {line}: stratum {stratum!r} found; expected one of {', '.join(strata)}")
            continue
        found[stratum].append(arm)
        if index != str(len(found[stratum])):
            problems.append(
                f"line {line}: index {index!r} of {stratum} found; expected {len(found[stratum])}"
            )
    problems += [
        f"the end: {stratum} has {len(listed)} entries; expected {length}"
        for stratum, listed in found.items()
        if len(listed) != length
    ]
    if problems:
        raise BadUpload(problems)
    return found


def sealed_upload(text: str, frame: Specification, key: bytes, secret: bytes | None = None) -> dict[str, Any]:
    """The sealed list of an uploaded one; `frame` gives trial, environment, arms, strata and length. Raises BadUpload.

    Its specification says `uploaded` and binds the file by a salted hash: a bare hash could be tried out against the
    few arms that are left near the end. The salt is the statistician's `secret`; who has kept it shows with the file
    what was sealed. Without one it is drawn and thrown away, and the roots alone prove the arms.
    """
    listed = rows(text, arms=frame.arms, strata=frame.strata, length=frame.length)
    secret = secret or secrets.token_bytes(32)
    bound = hashlib.sha256(sealing.fields("TRIALSITE-UPLOAD-1", secret, text)).hexdigest()
    specification = replace(
        frame,
        method=f"uploaded:{bound}",
        block_sizes=(),
        bound=0,
        probability=0,
        weights=(),
        emergency=0,
    )
    return {
        **generation.heading(specification, key),
        "commitments": {"statistician": sealing.commitment(frame.trial, "statistician", secret)},
        "public": "",
        "strata": [
            {
                "stratum": stratum,
                **generation.entries(
                    specification,
                    stratum,
                    [(arm, secrets.token_bytes(32)) for arm in listed[stratum]],
                    sealing.MAIN,
                    key,
                ),
                "emergency": {"root": "", "entries": []},
            }
            for stratum in frame.strata
        ],
    }
