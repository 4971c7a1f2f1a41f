"""One allocation beside the same recipe in bare psycopg on the same tables; and the whole step around it."""

from functools import partial
from typing import Any

import psycopg

from tests.bench.recipe import bare_allocate
from tests.bench.timing import Stage, report, timed


def measure(stage: Stage) -> None:
    """One allocation with its messages and commit, in turn with the bare recipe; then the whole step."""
    from randomization.services import allocate
    from trialsite.audit.context import acting
    from trialsite.enrollment import notices, services

    actor: Any = stage.coordinator
    stratum = f"site={stage.site.code}"

    def allocated(participant: Any) -> None:
        with acting(actor, durable=True):
            outcome = allocate(
                actor=actor,
                participant=participant,
                site=stage.site,
                strata={"site": stage.site.code},
                eligibility_hash="0" * 64,
                idempotency_key=f"bench-{participant.pk}",
            )
            notices.announce_allocation(actor=actor, participant=participant, outcome=outcome)

    ours, bare, steps = [], [], []
    people = stage.people
    third = len(people) // 3
    with psycopg.connect(stage.cluster.url("edc_app", stage.name), autocommit=True) as line:
        for one, other in zip(people[:third], people[third : 2 * third], strict=True):
            ours.append(timed(partial(allocated, one)))
            bare.append(
                timed(
                    partial(
                        bare_allocate,
                        line,
                        actor=(actor.pk, actor.username),
                        participant=(other.pk, other.code),
                        stratum=stratum,
                        key=f"bare-{other.pk}",
                        recipients=["user:1", "user:2"],
                    )
                )
            )
    for one in people[2 * third :]:
        randomize = partial(
            services.randomize, actor=actor, participant=one, idempotency_key=f"bench-{one.pk}"
        )
        steps.append(timed(randomize))
    report("one allocation", ours, bare)
    report("the whole randomization step", steps, bare)
