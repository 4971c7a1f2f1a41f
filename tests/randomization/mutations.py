"""A whole trial in memory, its export, and seeded mutations of it: what the verifiers are held against."""

import copy
import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from randomization.rules import factors, ledger, minimisation, sealing
from randomization.rules.specification import Specification, read

Export = dict[str, Any]
SECRETS = [bytes([number]) * 32 for number in (1, 2, 3)]
FACTOR = {
    "name": "nprs",
    "item": "SCR/pain/worst",
    "levels": [{"level": "low", "from": 0, "to": 6}, {"level": "high", "from": 7, "to": 10}],
}
TRIAL = {
    "trial": "NCT06756087",
    "environment": "prod",
    "arms": ["RFA_PVP", "RFA_PVP_SBRT"],
    "sites": ["SHGH", "SMU3"],
    "factors": [FACTOR],
    "length": 16,
    "emergency": 3,
}
METHODS: list[dict[str, Any]] = [
    {"method": "permuted_blocks", "block_sizes": [4, 6]},
    {"method": "big_stick", "bound": 3},
    {"method": "complete", "ratio": [2, 1]},
    {"method": "minimisation", "probability": 0.8, "weights": {"nprs": 2}},
]


def specification(method: dict[str, Any]) -> Specification:
    return read({**TRIAL, **method})


def finished(chance: random.Random) -> tuple[Specification, bytes]:
    """A list that came as a file, with envelopes, and the specification that binds it."""
    frame = specification(METHODS[2])
    lines = ["stratum,index,arm,kind"]
    for kind, length in (("main", frame.length), ("emergency", frame.emergency)):
        for stratum in frame.strata:
            lines += [
                f"{stratum},{index},{chance.choice(frame.arms)},{kind}" for index in range(1, length + 1)
            ]
    content = ("\r\n".join(lines) + "\r\n").encode()
    bound = hashlib.sha256(sealing.fields("TRIALSITE-UPLOAD-1", SECRETS[0], content)).hexdigest()
    return replace(frame, method=f"uploaded:{bound}"), content


class _List:
    """One stratum's list of one kind: arms (or draws), r, leaves."""

    def __init__(self, trial: Specification, seed: bytes, stratum: str, kind: str, file: bytes = b"") -> None:
        if file:
            rows = [line.split(",") for line in file.decode().split("\r\n")[1:-1]]
            arms = [arm for place, _, arm, of in rows if (place, of) == (stratum, kind)]
            self.entries = [
                (arm, hashlib.sha256(f"{stratum}{kind}{number}".encode()).digest())
                for number, arm in enumerate(arms)
            ]
        elif kind == "main" and trial.method == "minimisation":
            self.entries = [("", draw) for draw in trial.draws_of(seed, stratum)]
        else:
            arms = (trial.arms_of if kind == "main" else trial.emergency_arms_of)(seed, stratum)
            salts = [sealing.salt(seed, stratum, index, kind) for index in range(1, len(arms) + 1)]
            self.entries = list(zip(arms, salts, strict=True))
        self.leaves = [
            sealing.leaf(stratum, index, arm, r) for index, (arm, r) in enumerate(self.entries, start=1)
        ]
        self.root = sealing.root(self.leaves).hex()
        self.used = 0


def export(trial: Specification, participants: int, chance: random.Random, file: bytes = b"") -> Export:
    """What `export_sealed` would write of a trial in which `participants` were allocated, a few by envelope.

    `file` is the finished list of a trial that uploaded one, which has the statistician's secret alone.
    """
    seed = sealing.seed(SECRETS[0], SECRETS[1], SECRETS[2], b"", trial.hash())
    lists = {
        (stratum, kind): _List(trial, seed, stratum, kind, file)
        for stratum in trial.strata
        for kind in ("main", "emergency")
    }
    made: Export = {
        "format": "trialsite-sealed-export-1",
        "trial": trial.trial,
        "environment": trial.environment,
        "specification": trial.text(),
        "specification_hash": trial.hash().hex(),
        "commitments": {
            role: sealing.commitment(trial.trial, role, secret)
            for role, secret in zip(
                ("statistician", "sponsor", "ethics"), SECRETS[:1] if file else SECRETS, strict=False
            )
        },
        "public": "",
        "arms": sorted(trial.arms),
        "strata": [
            {
                "stratum": stratum,
                "root": lists[stratum, "main"].root,
                "length": trial.length,
                "emergency_root": lists[stratum, "emergency"].root,
                "emergency_length": trial.emergency,
            }
            for stratum in sorted(trial.strata)
        ],
        "rows": [],
    }
    made["head"] = _start(made)
    earlier: list[tuple[dict[str, str], int]] = []
    for number in range(1, participants + 1):
        stratum = chance.choice(trial.strata)
        kind = "emergency" if number % 9 == 0 and lists[stratum, "emergency"].used < 3 else "main"
        listed, levels = lists[stratum, kind], factors.levels_of(stratum)
        arm, r = listed.entries[listed.used]
        listed.used += 1
        if not arm:
            score = minimisation.scores(levels, earlier, dict(trial.weights), trial.ratio)
            share = minimisation.probability_of_first(score, trial.probability, trial.ratio)
            arm = trial.arms[minimisation.arm(r, share)]
        earlier.append((levels, trial.arms.index(arm)))
        content = {
            "position": number,
            "participant": f"01-{number:03d}",
            "stratum": stratum,
            "index": listed.used,
            "arm": arm,
            "r": r.hex(),
            "strata_hash": hashlib.sha256(stratum.encode()).hexdigest(),
            "eligibility_hash": hashlib.sha256(str(number).encode()).hexdigest(),
            "user": "li",
            "at": f"2026-03-11T02:{number // 60:02d}:{number % 60:02d}.000000+00:00",
            "previous": made["head"],
            "kind": kind,
        }
        made["head"] = row_hash(content)
        path = [[side, node.hex()] for side, node in sealing.path(listed.leaves, listed.used - 1)]
        made["rows"].append({**content, "hash": made["head"], "levels": levels, "path": path})
    return made


def _start(made: Export) -> str:
    return ledger.genesis(
        made["trial"],
        made["environment"],
        made["specification_hash"],
        {part["stratum"]: part["root"] for part in made["strata"]},
        {part["stratum"]: part["emergency_root"] for part in made["strata"]},
    )


def row_hash(row: dict[str, Any]) -> str:
    names = ledger.Row.__dataclass_fields__
    content = {name: row[name] for name in names}
    return ledger.Row(**{**content, "r": bytes.fromhex(row["r"])}).hash()


def rehashed(made: Export) -> Export:
    """The whole chain written anew over what the rows now say."""
    head = _start(made)
    for row in made["rows"]:
        row["previous"] = head
        row["hash"] = head = row_hash(row)
    made["head"] = head
    return made


# Mutations -----------------------------------------------------------------------------------------------------


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _leaves(inner, (*path, place))
    else:
        yield path


def _at(made: Any, path: Sequence[Any]) -> Any:
    for part in path:
        made = made[part]
    return made


def _other(value: Any, chance: random.Random) -> Any:
    if isinstance(value, int):
        return value + chance.choice([-1, 1, 2, 1000])
    if not value:
        return "00"
    place = chance.randrange(len(value))
    letters = [letter for letter in "0123456789abcdefLRX" if letter != value[place]]
    return value[:place] + chance.choice(letters) + value[place + 1 :]


def edit(made: Export, chance: random.Random) -> None:
    """One value anywhere, one character or one number."""
    path = chance.choice(list(_leaves(made)))
    inside = _at(made, path[:-1])
    inside[path[-1]] = _other(inside[path[-1]], chance)


def delete(made: Export, chance: random.Random) -> None:
    """One row; half of the time with the gap closed and all hashes written anew."""
    del made["rows"][chance.randrange(len(made["rows"]))]
    if chance.random() < 0.5:
        for position, row in enumerate(made["rows"], start=1):
            row["position"] = position
        # The very last one leaves no trace of its own but the head that was mailed.
        rehashed(made)


def swap(made: Export, chance: random.Random) -> None:
    """Two rows; half of the time only their arms, r and paths."""
    one, other = chance.sample(range(len(made["rows"])), 2)
    rows = made["rows"]
    if chance.random() < 0.5:
        rows[one], rows[other] = rows[other], rows[one]
        return
    names = ("participant",) if rows[one]["arm"] == rows[other]["arm"] else ("arm", "r", "path")
    for name in names:
        rows[one][name], rows[other][name] = rows[other][name], rows[one][name]


def insert(made: Export, chance: random.Random) -> None:
    """A copy of a row, or one under a new code, anywhere."""
    row = copy.deepcopy(chance.choice(made["rows"]))
    if chance.random() < 0.5:
        row["participant"] = "01-999"
    made["rows"].insert(chance.randrange(len(made["rows"]) + 1), row)
    if chance.random() < 0.5:
        for position, one in enumerate(made["rows"], start=1):
            one["position"] = position
        rehashed(made)


def truncate(made: Export, chance: random.Random) -> None:
    """The end of the ledger, the head moved along: only mailed heads show it."""
    del made["rows"][chance.randrange(len(made["rows"])) :]
    made["head"] = made["rows"][-1]["hash"] if made["rows"] else _start(made)


def rewrite(made: Export, chance: random.Random) -> None:
    """The whole chain written anew over another time, person or order of participants."""
    row = chance.choice(made["rows"])
    name = chance.choice(["at", "user", "participant", "eligibility_hash"])
    row[name] = "99-999" if name == "participant" else _other(row[name], chance)
    rehashed(made)


MUTATIONS: dict[str, Callable[[Export, random.Random], None]] = {
    one.__name__: one for one in (edit, delete, swap, insert, truncate, rewrite)
}


def mutated(made: Export, chance: random.Random) -> tuple[str, Export]:
    """(kind, another export)."""
    name = chance.choice(list(MUTATIONS))
    while True:
        other = copy.deepcopy(made)
        MUTATIONS[name](other, chance)
        if other != made:
            return name, other


def overlooked(verify: Callable[..., list[str]], count: int, seed: int) -> dict[str, Any]:
    """What `count` mutations, over all methods, came to: {"tried": by kind, "missed": examples}."""
    chance = random.Random(seed)
    tried: dict[str, int] = dict.fromkeys(MUTATIONS, 0)
    missed: list[str] = []
    cases = [(export(specification(method), 20, chance), SECRETS, b"") for method in METHODS]
    uploaded, file = finished(chance)
    cases.append((export(uploaded, 20, chance, file), SECRETS[:1], file))
    for number in range(count):
        made, secrets, given = cases[number % len(cases)]
        heads = [(row["position"], row["hash"]) for row in made["rows"]]
        name, other = mutated(made, chance)
        tried[name] += 1
        if not verify(other, secrets, heads, given or None):
            missed.append(f"{name}, number {number} of seed {seed}")
    return {"tried": tried, "missed": missed}
