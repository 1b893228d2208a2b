"""Containers and what happens to them."""
