"""Schemathesis over the whole description of the API: whatever is sent, the server does not fail."""

from typing import Any

import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.core.result import Ok


def failures(headers: dict[str, str], *, examples: int, number: int) -> tuple[list[str], int]:
    """([operation and status that is ≥ 500], number of requests) with `examples` requests for each operation."""
    described = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", get_wsgi_application())
    failed: list[str] = []
    sent = 0
    for found in described.get_all_operations():
        if not isinstance(found, Ok):
            raise AssertionError(f"an operation cannot be read: {found}")
        operation = found.ok()

        @seed(number)
        @settings(
            max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            nonlocal sent
            sent += 1
            answer = case.call(headers=headers)
            if answer.status_code >= 500:
                failed.append(f"{case.method} {case.formatted_path} {answer.status_code}")

        send()
    return sorted(set(failed)), sent


def main(minutes: float) -> int:
    """Ten examples a minute for each operation; returns how many failed."""
    import datetime as dt

    from tests.campaign.stage import stage
    from trialsite.staff.tokens import issue_token

    with stage() as here:
        secret = issue_token(actor=here.owner, user=here.owner, name="c", valid_for=dt.timedelta(days=1))
        found, sent = failures(
            {"Authorization": f"Token {secret}"}, examples=max(1, int(10 * minutes)), number=20260101
        )
    print(f"interface: {sent} requests, {len(found)} answers of 500 or above")
    for one in found:
        print("  ", one)
    return len(found)
