"""Asks every operation of an OpenAPI document, as schemathesis makes requests up; prints what came of it as JSON.

A program of its own: what is made up depends on the constants of all modules of ours that are imported.
"""

import json
import sys
from collections import Counter, defaultdict
from typing import Any

import schemathesis
from schemathesis.engine import Status, events, from_schema

SEED = 20250304
EXAMPLES = 3
"""Requests that are made up for each operation and kind of data, beside those that go to each field's limits."""
REFUSALS = ["2xx", "400", "404", "409"]
"""What a request may be answered that fits the schema: also that it makes no sense just now, with the reason. 422, the
framework's word for what does not fit, is none of them."""


class Run:
    """What came of all requests: failures in words, and answers by operation and status."""

    def __init__(self, document: dict[str, Any], url: str, key: str) -> None:
        self.failures: list[str] = []
        self.answers: dict[str, Counter[int]] = defaultdict(Counter)
        self.checks: Counter[str] = Counter()
        config = schemathesis.Config.from_dict(
            {
                "seed": SEED,
                "base-url": url,
                "headers": {"X-API-Key": key},
                "request-timeout": 60,
                "continue-on-failure": True,
                "generation": {"max-examples": EXAMPLES, "deterministic": True, "no-shrink": True, "database": "none"},
                "phases": {"stateful": {"enabled": False}},
                "checks": {"positive_data_acceptance": {"expected-statuses": REFUSALS}},
            }
        )
        schema = schemathesis.openapi.from_dict(document, config=config)
        for event in from_schema(schema).execute():
            self._take(event)

    def _take(self, event: Any) -> None:
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            self.failures.append(f"{event.label}: {event.info}")
        if not isinstance(event, events.ScenarioFinished):
            return
        recorder = event.recorder
        for asked in recorder.interactions.values():
            if asked.response is not None and asked.request.method in recorder.label:
                self.answers[recorder.label][asked.response.status_code] += 1
        for check in (check for checks in recorder.checks.values() for check in checks):
            self.checks[check.name] += 1
            if check.status == Status.FAILURE and check.failure_info:
                failure = check.failure_info
                self.failures.append(
                    f"{recorder.label}: {check.name}: {failure.failure.title}: {failure.failure.message[:500]}\n"
                    f"    {failure.code_sample[:700]}"
                )


if __name__ == "__main__":
    run = Run(**json.load(sys.stdin))
    print(json.dumps({"failures": run.failures, "answers": run.answers}))
