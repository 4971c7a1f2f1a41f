"""A statistician's finished list, sealed in the same form: each r is drawn at random."""

import csv
import hashlib
import io
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from randomization import generation
from randomization.rules import sealing
from randomization.rules.specification import Specification

COLUMNS: Final = ["stratum", "index", "arm"]
# A fourth column tells the envelopes from the list; without it there are none.
KIND: Final = "kind"

Arms = dict[tuple[str, str], list[str]]


class BadUpload(ValueError):
    """The list has mistakes; `problems` names each with its line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def rows(text: str, *, arms: Sequence[str], strata: Sequence[str], lengths: Mapping[str, int]) -> Arms:
    """(stratum, kind) → arms in the order of their entries; raises BadUpload with every mistake at once.

    `lengths` says how many entries of each kind a stratum has. The entries of each kind are numbered from 1.
    """
    found: Arms = {(stratum, kind): [] for stratum in strata for kind in lengths}
    problems: list[str] = []
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    heading = next(reader, [])
    if heading not in (COLUMNS, [*COLUMNS, KIND]):
        wanted = f"{', '.join(COLUMNS)}, and {KIND} where there are envelopes"
        raise BadUpload([f"line 1: {', '.join(heading) or 'nothing'} found; expected {wanted}"])
    for row in reader:
        line = reader.line_num
        if len(row) != len(heading):
            problems.append(f"line {line}: {len(row)} values found; expected {len(heading)}")
            continue
        stratum, index, arm, kind = [*row, sealing.MAIN][:4]
        if arm not in arms:
            problems.append(f"line {line}: arm {arm!r} found; expected one of {', '.join(arms)}")
        if stratum not in strata:
            problems.append(f"line {line}: stratum {stratum!r} found; expected one of {', '.join(strata)}")
        if kind not in lengths:
            problems.append(f"line {line}: kind {kind!r} found; expected one of {', '.join(lengths)}")
        listed = found.get((stratum, kind))
        if listed is None:
            continue
        listed.append(arm)
        if index != str(len(listed)):
            problems.append(
                f"line {line}: index {index!r} of {stratum}, {kind} found; expected {len(listed)}"
            )
    problems += [
        f"the end: {stratum}, {kind} has {len(listed)} entries; expected {lengths[kind]}"
        for (stratum, kind), listed in found.items()
        if len(listed) != lengths[kind]
    ]
    if problems:
        raise BadUpload(problems)
    return found


def sealed_upload(
    content: bytes, frame: Specification, key: bytes, secret: bytes
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The sealed list of an uploaded file, and the sheets of its envelopes, which nothing can make a second time.

    `frame` gives trial, environment, arms, strata and lengths.

    Its specification says `uploaded` and binds the file by a salted hash: a bare hash could be tried out against the
    few arms that are left near the end. The salt is the statistician's `secret`, with which `verify_trial.py` shows at
    the end that this file was sealed. Raises BadUpload.
    """
    lengths = {sealing.MAIN: frame.length, sealing.EMERGENCY: frame.emergency}
    try:
        listed = rows(content.decode(), arms=frame.arms, strata=frame.strata, lengths=lengths)
    except UnicodeDecodeError as error:
        raise BadUpload([f"byte {error.start}: the file is not UTF-8"]) from error
    except csv.Error as error:
        raise BadUpload([f"the file is not CSV: {error}"]) from error
    bound = hashlib.sha256(sealing.fields("TRIALSITE-UPLOAD-1", secret, content)).hexdigest()
    specification = replace(
        frame, method=f"uploaded:{bound}", block_sizes=(), bound=0, probability=0, weights=()
    )

    paper: list[dict[str, Any]] = []

    def sealed(stratum: str, kind: str) -> dict[str, Any]:
        committed = [(arm, secrets.token_bytes(32)) for arm in listed[stratum, kind]]
        if kind == sealing.EMERGENCY:
            paper.extend(
                generation.sheet(stratum, index, arm, r) for index, (arm, r) in enumerate(committed, start=1)
            )
        return generation.entries(specification, stratum, committed, kind, key)

    document = {
        **generation.heading(specification, key),
        "commitments": {"statistician": sealing.commitment(frame.trial, "statistician", secret)},
        "public": "",
        "strata": [
            {
                "stratum": stratum,
                **sealed(stratum, sealing.MAIN),
                "emergency": sealed(stratum, sealing.EMERGENCY),
            }
            for stratum in frame.strata
        ],
    }
    return document, paper
