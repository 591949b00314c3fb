#!/usr/bin/env python3
"""Writes a vulnerability database for Trivy, so that the real Trivy judges images without a network.

usage: tests/trivy/database.py CACHE < advisories.json

In:  {"BUCKET": {"SOURCE PACKAGE": {"CVE-...": "FIXED VERSION"}}}, where BUCKET is what Trivy calls a release
     ("debian 12", "alpine 3.20"). In "Red Hat" the fixes are those of the base repositories of release 8. Where
     BUCKET is one of libraries ("pip::GitHub Security Advisory pip"), {"PatchedVersions": [...],
     "VulnerableVersions": [...]} takes the place of the fixed version.
Out: CACHE/db/trivy.db and CACHE/db/metadata.json, for `trivy --cache-dir CACHE --skip-db-update`.

The file is a bbolt database (go.etcd.io/bbolt, page.go and db.go): two meta pages, a list of free pages, and one leaf
page (with overflow) for each bucket. Trivy's schema is that of aquasecurity/trivy-db: release > package > CVE, and
`vulnerability` > CVE.
"""
import json
import os
import struct
import sys

PAGE = 4096
FLAG_LEAF, FLAG_META, FLAG_FREE = 0x02, 0x04, 0x10


class Writer:
    """Pages of buckets, the deepest first."""

    def __init__(self):
        self.pages = {}
        self.next = 3  # after two meta pages and the list of free ones

    def bucket(self, content):
        """Writes a bucket and gives what its parent stores of it: the page of its root, and a sequence number."""
        entries = []
        for name in sorted(content, key=str.encode):
            value = content[name]
            nested = isinstance(value, dict) and not value.get("leaf")
            stored = self.bucket(value) if nested else json.dumps(value["value"]).encode()
            entries.append((name.encode(), stored, nested))
        size = 16 + sum(16 + len(key) + len(value) for key, value, _ in entries)
        count = -(-size // PAGE)
        page, self.next = self.next, self.next + count
        self.pages[page] = leaf(page, count, entries)
        return struct.pack("<QQ", page, 0)


def leaf(page, count, entries):
    head, data = b"", b""
    for at, (key, value, nested) in enumerate(entries):
        # positions count from the element itself
        position = 16 * (len(entries) - at) + len(data)
        head += struct.pack("<IIII", int(nested), position, len(key), len(value))
        data += key + value
    page = struct.pack("<QHHI", page, FLAG_LEAF, len(entries), count - 1) + head + data
    return page.ljust(count * PAGE, b"\0")


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def meta(number, root, free, end):
    body = struct.pack("<IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, root, 0, free, end, number)
    body += struct.pack("<Q", fnv1a(body))
    return (struct.pack("<QHHI", number, FLAG_META, 0, 0) + body).ljust(PAGE, b"\0")


# What the fixes of "Red Hat" are for: a repository's number, by its name.
RED_HAT = {"rhel-8-for-x86_64-baseos-rpms": [0], "rhel-8-for-x86_64-appstream-rpms": [0]}


def advisory(release, fixed):
    if isinstance(fixed, dict):
        return fixed
    if release != "Red Hat":
        return {"FixedVersion": fixed}
    return {"Entries": [{"FixedVersion": fixed, "Affected": [0], "Cves": [{"Severity": 3}]}]}


def main():
    advisories = json.load(sys.stdin)

    def entry(value):
        return {"leaf": True, "value": value}

    root, known = {}, {}
    for release, packages in advisories.items():
        root[release] = {
            package: {cve: entry(advisory(release, fixed)) for cve, fixed in cves.items()}
            for package, cves in packages.items()
        }
        for cves in packages.values():
            known.update({cve: entry({"Title": "", "Severity": "HIGH"}) for cve in cves})
    if "Red Hat" in advisories:
        root["Red Hat CPE"] = {"repository": {name: entry(numbers) for name, numbers in RED_HAT.items()}}
    root["vulnerability"] = known
    root["data-source"] = {release: entry({"ID": release.split()[0], "Name": release}) for release in advisories}

    writer = Writer()
    (page, _) = struct.unpack("<QQ", writer.bucket(root))
    folder = os.path.join(sys.argv[1], "db")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "trivy.db"), "wb") as file:
        file.write(meta(0, page, 2, writer.next) + meta(1, page, 2, writer.next))
        file.write(struct.pack("<QHHI", 2, FLAG_FREE, 0, 0).ljust(PAGE, b"\0"))
        for number in sorted(writer.pages):
            assert file.tell() == number * PAGE
            file.write(writer.pages[number])
    far = {"Version": 2, "NextUpdate": "2099-01-01T00:00:00Z", "UpdatedAt": "2026-01-01T00:00:00Z",
           "DownloadedAt": "2026-01-01T00:00:00Z"}
    with open(os.path.join(folder, "metadata.json"), "w") as file:
        json.dump(far, file)


main()
