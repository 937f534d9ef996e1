"""Waiting for a condition, with one generous deadline for the whole suite."""

import time

DEADLINE = 20.0
"""Seconds after which something that should have happened is taken for not happening."""


def wait_until(condition, what, deadline=DEADLINE):
    """Polls until `condition()` is true and returns what it gave; fails with `what` after the deadline."""
    end = time.monotonic() + deadline
    while True:
        outcome = condition()
        if outcome:
            return outcome
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline:g} s: {what() if callable(what) else what}")
        time.sleep(0.02)
