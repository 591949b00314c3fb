#!/usr/bin/python3
"""Compares two rpm databases as rpm reads them, and SQLite's row by row.

usage: compare_databases.py FORMAT LEFT RIGHT

In:  FORMAT, rpm's name of it (sqlite, ndb); two folders with a database. Debian's python3-rpm, which Debian's own
     python3 finds.
Out: every difference as `WHAT: LEFT | RIGHT`, then counts. Exit code 1 when there is one.

Compared: the headers by their numbers, byte for byte; of all indexes the keys, each with its packages and places. Of
SQLite's file the schema, too, and all rows of all tables with their numbers.
"""
import os
import sqlite3
import sys

import rpm

INDEXES = ("name", "basenames", "group", "requirename", "providename", "conflictname", "obsoletename", "triggername",
           "dirnames", "installtid", "sigmd5", "sha1header", "filetriggername", "transfiletriggername", "recommendname",
           "suggestname", "supplementname", "enhancename")

# What rpm has set in SQLite's file.
SETTINGS = ("page_size", "journal_mode", "user_version", "application_id", "encoding", "auto_vacuum")

# What SQLite notes for itself of how rows are spread; `PRAGMA optimize` of some releases of rpm makes it.
STATISTICS = "sqlite_stat1"


def headers(transactions):
    """number -> (label, bytes)"""
    found = transactions.dbMatch()
    return {("header", found.instance()): (header[rpm.RPMTAG_NEVRA], header.unload()) for header in found}


def indexes(transactions):
    """(index, key) -> [(number of the package, place in it)]"""
    found = {}
    for name in INDEXES:
        index = transactions.dbIndex(name)
        for key in index:
            found["index " + name, key] = sorted(index.instances())
    return found


def rows(path):
    """(table, number of the row) -> row"""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    problems = database.execute("PRAGMA integrity_check").fetchall()
    if problems != [("ok",)]:
        sys.exit(f"{path}: {problems}")
    schema = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    found = {("schema", row[:2]): row for row in schema if row[2] != STATISTICS}
    for kind, name, _, _ in schema:
        if kind == "table" and name != STATISTICS:
            for row in database.execute(f'SELECT rowid, * FROM "{name}"'):
                found["table " + name, row[0]] = row[1:]
    found.update({("setting", name): database.execute(f"PRAGMA {name}").fetchone() for name in SETTINGS})
    return found


def database(form, folder):
    rpm.addMacro("_dbpath", os.path.abspath(folder))
    rpm.addMacro("_db_backend", form)
    transactions = rpm.TransactionSet()
    # Whether signatures are right is asked elsewhere.
    transactions.setVSFlags(-1)
    found = {**headers(transactions), **indexes(transactions)}
    if form == "sqlite":
        found.update(rows(os.path.join(folder, "rpmdb.sqlite")))
    return found


def shown(value):
    text = repr(value)
    return text if len(text) < 200 else text[:200] + f"... ({len(text)} characters)"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    left, right = (database(sys.argv[1], folder) for folder in sys.argv[2:])
    count = 0
    for key in left.keys() | right.keys():
        if left.get(key) != right.get(key):
            count += 1
            if count <= 50:
                print(f"{key[0]} {key[1]}: {shown(left.get(key))} | {shown(right.get(key))}")
    numbers = [sum(key[0].startswith(kind) for key in right) for kind in ("header", "index", "table")]
    if not numbers[0]:
        sys.exit("compare_databases.py: no package, which cannot be meant")
    print("{} headers, {} keys of indexes, {} rows compared, {} differ".format(*numbers, count))
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
