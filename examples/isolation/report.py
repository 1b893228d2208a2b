"""What is tested: it has to work with two versions of a library, and without SQLite."""


def report(rows):
    import tables

    try:
        return tables.table(rows, sep=" ")
    except TypeError:  # version 1
        return tables.table(rows)


def storage():
    try:
        import sqlite3
    except ImportError:
        return "files"
    return f"SQLite {sqlite3.sqlite_version}"
