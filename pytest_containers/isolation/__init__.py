"""Tests that run in a container themselves, by ``@pytest.mark.in_container``; the other side is ``inside``."""
