"""Containers that are kept between runs: found again by what they were made of."""
