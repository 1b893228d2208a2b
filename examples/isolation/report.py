"""What is tested: it has to work with two versions of a library, and without SQLite."""

from importlib import import_module


def report(rows: list[list[str]]) -> str:
    tables = import_module("tables")  # version 1 or 2, whichever there is
    try:
        return tables.table(rows, sep=" ")
    except TypeError:  # version 1
        return tables.table(rows)


def storage() -> str:
    try:
        import sqlite3
    except ImportError:
        return "files"
    return f"SQLite {sqlite3.sqlite_version}"
