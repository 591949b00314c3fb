#!/usr/bin/env python3
"""Writes an empty database of Java archives for Trivy, without which it refuses every image that has one.

usage: tests/trivy/java_database.py CACHE

Out: CACHE/java-db/trivy-java.db and CACHE/java-db/metadata.json, for `trivy --cache-dir CACHE --skip-java-db-update`.

The schema is that of aquasecurity/trivy-java-db. Archives that say themselves what they are need no entry.
"""
import json
import os
import sqlite3
import sys

SCHEMA = """
CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);
CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT,
    foreign key (artifact_id) references artifacts(id));
CREATE UNIQUE INDEX artifacts_idx ON artifacts(artifact_id, group_id);
CREATE INDEX indices_artifact_idx ON indices(artifact_id);
CREATE UNIQUE INDEX indices_sha1_idx ON indices(sha1);
"""


def main():
    folder = os.path.join(sys.argv[1], "java-db")
    os.makedirs(folder, exist_ok=True)
    with sqlite3.connect(os.path.join(folder, "trivy-java.db")) as database:
        database.executescript(SCHEMA)
    far = {"Version": 1, "NextUpdate": "2099-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z",
           "DownloadedAt": "2026-01-01T00:00:00Z"}
    with open(os.path.join(folder, "metadata.json"), "w") as file:
        json.dump(far, file)


main()
