#!/usr/bin/env python3
"""Verify a randomization from its sealed export, by docs/randomization-format.md. Standard library only.

    python3 verify_trial.py EXPORT.json --secret statistician.hex [--secret sponsor.hex …] [--heads FILE] [--csv FILE]

Each secret file holds the 32 bytes of one party as hex, in the order statistician, sponsor, ethics office. The heads'
file holds one mailed head on each line: position, a blank, the head. CSV is the finished list, where one was uploaded.
Exit code 0: everything holds; 1: something does not (one sentence for each finding); 2: a file cannot be read.
"""

import argparse
import csv
import hashlib
import hmac
import json
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

ROLES = ("statistician", "sponsor", "ethics")
LISTS = {"main": "EDCLITE-RAND-1", "emergency": "EDCLITE-EMERGENCY-1"}
SALTS = {"main": "TRIALSITE-LEAF-1", "emergency": "TRIALSITE-EMERGENCY-1"}
KINDS = (("main", "root", "length"), ("emergency", "emergency_root", "emergency_length"))
ROW = ("position", "participant", "stratum", "index", "arm", "r", "strata_hash", "eligibility_hash")
ROW += ("user", "at", "previous", "kind")


def sha(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def fields(*values):
    values = (value.encode() if isinstance(value, str) else value for value in values)
    parts = [value.to_bytes(4, "big") if isinstance(value, int) else value for value in values]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class Generator:
    """HMAC_DRBG with SHA-256, 32 bytes for each generate call."""

    def __init__(self, entropy, personalization):
        self.key, self.value, self.pool = b"\x00" * 32, b"\x01" * 32, b""
        self.update(entropy + personalization)

    def update(self, data):
        for mark in (b"\x00", b"\x01") if data else (b"\x00",):
            self.key = mac(self.key, self.value + mark + data)
            self.value = mac(self.key, self.value)

    def generate(self):
        output = self.value = mac(self.key, self.value)
        self.update(b"")
        return output

    def below(self, n):
        while True:
            if not self.pool:
                self.pool = self.generate()
            byte, self.pool = self.pool[0], self.pool[1:]
            if byte < 256 - 256 % n:
                return byte % n


def drawn(spec, method, source, length):
    """The arms, 0 or 1, of one list."""
    a, b = spec["ratio"]
    arms, lead = [], 0
    while len(arms) < length:
        if method == "permuted_blocks":
            size = spec["block_sizes"][source.below(len(spec["block_sizes"]))]
            block = [0] * (size * a // (a + b)) + [1] * (size - size * a // (a + b))
            for top in range(size - 1, 0, -1):
                other = source.below(top + 1)
                block[top], block[other] = block[other], block[top]
            arms += block
            continue
        if method == "big_stick":
            arm = int(lead > 0) if abs(lead) >= spec["bound"] else source.below(2)
        else:
            arm = int(source.below(a + b) >= a)
        lead += -1 if arm else 1
        arms.append(arm)
    return arms[:length]


def listed(spec, seed, stratum, kind):
    """(arm or "", r) of every entry of one list."""
    place = "\x1f".join((LISTS[kind], spec["trial"], spec["environment"], stratum)).encode()
    source, method = Generator(seed, place), spec["method"]
    length = spec["length"] if kind == "main" else spec["emergency"]
    if method == "minimisation" and kind == "main":
        return [("", source.generate()) for _ in range(length)]
    arms = drawn(spec, "complete" if method == "minimisation" else method, source, length)
    salts = [mac(seed, fields(SALTS[kind], stratum, index)) for index in range(1, length + 1)]
    return [(spec["arms"][arm], r) for arm, r in zip(arms, salts, strict=True)]


def minimised(spec, draw, levels, earlier):
    """The arm of a draw, from (levels, arm) of all earlier rows."""
    a, b = spec["ratio"]
    scores = [0, 0]
    for factor, weight in spec["weights"].items():
        same = [arm for known, arm in earlier if known[factor] == levels[factor]]
        lead = b * same.count(spec["arms"][0]) - a * same.count(spec["arms"][1])
        scores[0] += weight * abs(lead + b)
        scores[1] += weight * abs(lead - a)
    coin, chance = Fraction(1000 - spec["probability"], 1000), Fraction(a, a + b)
    if scores[0] != scores[1]:
        less = scores[0] < scores[1]
        chance = 1 - coin * min(1, Fraction(b, a)) if less else coin * min(1, Fraction(a, b))
    first = int.from_bytes(draw, "big") * chance.denominator < chance.numerator << 256
    return spec["arms"][0 if first else 1]


def leaf(stratum, index, arm, r):
    return sha(b"\x00" + fields(stratum, index, arm, r))


def root(leaves):
    while len(leaves) > 1:
        pairs = [sha(b"\x01" + leaves[at] + leaves[at + 1]) for at in range(0, len(leaves) - 1, 2)]
        leaves = pairs + (leaves[-1:] if len(leaves) % 2 else [])
    return leaves[0].hex() if leaves else ""


def raw(text):
    """The bytes of a hash, written the one way that is allowed."""
    if bytes.fromhex(text).hex() != text:
        raise ValueError(text)
    return bytes.fromhex(text)


def climb(node, path):
    for side, sibling in path:
        other = raw(sibling)
        if side not in ("L", "R"):
            raise ValueError(side)
        node = sha(b"\x01" + (other + node if side == "L" else node + other))
    return node.hex()


def check_specification(export, secrets):
    """Findings on commitments and specification, and the seed."""
    found, spec = [], json.loads(export["specification"])
    frozen = sha(export["specification"].encode())
    if frozen.hex() != export["specification_hash"]:
        found.append("the specification is not the one whose hash was published")
    pairs = zip(ROLES, secrets, strict=False)
    told = {role: sha(fields("TRIALSITE-COMMIT-1", export["trial"], role, own)).hex() for role, own in pairs}
    if told != export["commitments"] or len(secrets) > len(ROLES):
        found.append("the secrets are not those that were committed to")
    if (spec["trial"], spec["environment"]) != (export["trial"], export["environment"]):
        found.append("the specification belongs to another trial or environment")
    if sorted(spec["arms"]) != export["arms"]:
        found.append("the arms are not those of the specification")
    parties = [*secrets, b"", b"", b""][:3]
    return found, spec, mac(parties[0], fields(*parties[1:], raw(export["public"]), frozen))


def uploaded(content):
    """(stratum, kind) → (arm, None) of every entry of a finished list; its file does not tell the r."""
    lists = {}
    for stratum, _, arm, *kind in list(csv.reader(content.decode("utf-8-sig").splitlines()))[1:]:
        lists.setdefault((stratum, (kind or ["main"])[0]), []).append((arm, None))
    return lists


def check_lists(export, spec, secrets, seed, file):
    """Findings on roots, and (stratum, kind) → entries. An uploaded list has no seed: file and secret bind it."""
    found, lists, finished = [], {}, spec["method"].startswith("uploaded:")
    if finished and export["public"]:
        found.append("an uploaded list has no public value")
    if finished and file is not None:
        if spec["method"] != "uploaded:" + sha(fields("TRIALSITE-UPLOAD-1", *secrets[:1], file)).hex():
            return [*found, "the list that was given is not the file that was sealed"], {}
        lists = uploaded(file)
    if sorted(part["stratum"] for part in export["strata"]) != sorted(spec["strata"]):
        found.append("the strata are not those of the specification")
    for part in export["strata"]:
        for kind, root_name, length in KINDS:
            if part[length] != spec["length" if kind == "main" else "emergency"]:
                found.append(f"{part['stratum']}, {kind}: the list has another length")
            if finished:
                if lists and len(lists.get((part["stratum"], kind), ())) != part[length]:
                    found.append(f"{part['stratum']}, {kind}: the file lists another number of entries")
                continue
            entries = listed(spec, seed, part["stratum"], kind)
            lists[part["stratum"], kind] = entries
            leaves = [leaf(part["stratum"], index, arm, r) for index, (arm, r) in enumerate(entries, 1)]
            if root(leaves) != part[root_name]:
                found.append(f"{part['stratum']}, {kind}: the list does not give the published root")
    return found, lists


def check_row(row, spec, roots, lists, earlier):
    """Findings on one row by itself and against its list."""
    at, kind, stratum, r = f"position {row['position']}", row["kind"], row["stratum"], raw(row["r"])
    found, levels = [], ";".join(f"{factor}={level}" for factor, level in sorted(row["levels"].items()))
    if levels != stratum or sha(stratum.encode()).hex() != row["strata_hash"]:
        found.append(f"{at}: the stratification values are not those of the stratum")
    arm = row["arm"]
    if spec["method"] == "minimisation" and kind == "main":
        arm = ""
        if row["arm"] != minimised(spec, r, row["levels"], earlier):
            found.append(f"{at}: the arm is not the one that the draw gives")
    if climb(leaf(stratum, row["index"], arm, r), row["path"]) != roots.get((stratum, kind)):
        found.append(f"{at}: the arm is not proved by the published root")
    entries = lists.get((stratum, kind), [])[row["index"] - 1 : row["index"]]
    if lists and entries not in ([(arm, r)], [(arm, None)]):
        found.append(f"{at}: the arm is not the one of the list")
    return found


def check_ledger(export, spec, lists):
    """Findings on chain, order and proofs."""
    found, earlier, used = [], [], Counter()
    strata = sorted(export["strata"], key=lambda part: part["stratum"])
    roots = {(part["stratum"], kind): part[name] for part in strata for kind, name, _ in KINDS}
    voids = {part["stratum"]: part.get("void", []) for part in strata}
    bound = [value for part in strata for value in (part["stratum"], part["root"], part["emergency_root"])]
    start = ("TRIALSITE-GENESIS-1", export["trial"], export["environment"], export["specification_hash"])
    head = sha(fields(*start, *bound)).hex()
    people = Counter(row["participant"] for row in export["rows"])
    found += [f"{code} stands {count} times" for code, count in people.items() if count > 1]
    for place, row in enumerate(export["rows"], 1):
        at, key = f"position {row['position']}", (row["stratum"], row["kind"])
        if row["position"] != place:
            found.append(f"position {place} is missing or out of order")
        if row["previous"] != head:
            found.append(f"{at}: does not follow the row before")
        content = ({**row, "r": raw(row["r"])}[name] for name in ROW)
        if sha(fields("TRIALSITE-LEDGER-1", *content)).hex() != row["hash"]:
            found.append(f"{at}: its content does not fit its hash")
        void = voids[row["stratum"]] if row["kind"] == "emergency" else []
        used[key] = min(n for n in range(used[key] + 1, used[key] + 2 + len(void)) if n not in void)
        if row["index"] != used[key]:
            found.append(f"{at}: entry {row['index']} of {row['stratum']} is out of turn")
        found += check_row(row, spec, roots, lists, earlier)
        earlier.append((row["levels"], row["arm"]))
        head = row["hash"]
    if head != export["head"]:
        found.append("the head is not the hash of the last row")
    return found


def check_heads(export, heads):
    """Findings on the heads that were mailed: (position, head); that of position 0 is the empty ledger's."""
    kept = dict(enumerate([*(row["previous"] for row in export["rows"]), export["head"]]))
    told = "the ledger is not the one whose head was mailed"
    return [f"position {at}: {told}" for at, head in heads if kept.get(at) != head]


def verify(export, secrets, heads=(), file=None):
    """All findings, one sentence each; empty when everything holds. A document of another shape is a finding too."""
    try:
        if export["format"] != "trialsite-sealed-export-1":
            return ["this is not a sealed export"]
        found, spec, seed = check_specification(export, secrets)
        on_lists, lists = check_lists(export, spec, secrets, seed, file)
        return found + on_lists + check_ledger(export, spec, lists) + check_heads(export, heads)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        return [f"the export has not the shape that it must have ({type(error).__name__}: {error})"]


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Verify a randomization from its sealed export.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--secret", type=Path, action="append", default=[], help="each party's file of hex")
    parser.add_argument("--heads", type=Path, help="mailed heads: position and head on each line")
    parser.add_argument("--csv", type=Path, help="the finished list, where one was uploaded")
    options = parser.parse_args(arguments)
    try:
        export = json.loads(options.export.read_text(encoding="utf-8"))
        secrets = [bytes.fromhex(path.read_text(encoding="utf-8").strip()) for path in options.secret]
        lines = options.heads.read_text(encoding="utf-8").split("\n") if options.heads else []
        heads = [(int(line.split()[0]), line.split()[1]) for line in lines if line.strip()]
        file = options.csv.read_bytes() if options.csv else None
    except (OSError, ValueError, IndexError) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    found = verify(export, secrets, heads, file)
    for sentence in found:
        print(sentence, file=sys.stderr)
    if not found:
        rows, void = len(export["rows"]), sum(len(part.get("void", ())) for part in export["strata"])
        print(f"All holds: {rows} allocations, {len(heads)} mailed heads, {void} void, head {export['head']}")
        if not heads:
            print("No mailed heads were given: a rewrite of the whole ledger would not be found.")
        if file is None and '"method":"uploaded:' in export["specification"]:
            print("The uploaded list was not given: whether it is the file that was sealed is unknown.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
