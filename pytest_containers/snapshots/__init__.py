"""Snapshots: a container that is made once, seeded, stopped and frozen, and that others start from."""
