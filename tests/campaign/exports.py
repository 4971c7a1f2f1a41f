"""Ten thousand mutations of sealed exports against the stand-alone verifier; replays from its seed."""

import time

from tests.randomization import mutations, verifier

COUNT = 10_000
SEED = 20260311


def main(minutes: float = 0) -> int:
    """How many mutations were missed; ten thousand are tried, however long that takes."""
    began = time.monotonic()
    result = mutations.overlooked(verifier.load().verify, COUNT, SEED)
    print(
        f"{COUNT} mutations in {time.monotonic() - began:.0f} s: {result['tried']}; missed: {len(result['missed'])}"
    )
    for example in result["missed"][:20]:
        print(example)
    return len(result["missed"])
