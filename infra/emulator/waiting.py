"""Waiting for something to hold, and saying what did not."""

import time

WAIT_S = 60


def until(what, condition):
    """Waits for something to hold; gives what made it hold."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"after {WAIT_S} s it is not so that {what}")


def expect(actual, wanted, what):
    if actual != wanted:
        raise AssertionError(f"{what}: expected {wanted!r}, found {actual!r}")
