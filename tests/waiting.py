"""Waiting for what nobody announces to a test."""

import time

HANG = 60
"""Seconds; a hang limit, not a measurement."""
GLANCE = 0.05
"""Seconds between two looks."""


def until(look):
    """Look again until there is something, and return it."""
    end = time.monotonic() + HANG
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(GLANCE)
    return found


def until_gone(look):
    """Look again until there is nothing; what is still there at the hang limit fails the test."""
    end = time.monotonic() + HANG
    while found := look():
        assert time.monotonic() < end, found
        time.sleep(GLANCE)
