#!/usr/bin/env python3
"""Compares two root file systems path by path.

usage: compare.py [--exceptions FILE] [--show N] [--since SECONDS] [--database PATH] LEFT RIGHT

In:  two directories, read as root; a file of exceptions, one a line:
         ASPECTS <tab> REGEX <tab> REASON
     ASPECTS is `all` or a comma-separated list of the aspects below, REGEX must match the whole path (no leading /).
     With --since, the time when the package manager began to work on RIGHT, what it and the scripts wrote is known by
     its modification time: such a file must have on the left the one time that imgfix gives to all that is generated,
     which is that of the package manager's database (--database, var/lib/dpkg/status when not given).
Out: every difference not excepted as `ASPECT PATH: LEFT | RIGHT`, then counts, one a reason. Exit code 1 when there
     is a difference, 2 when the input is wrong.

Aspects: presence, type, mode, owner, target (symbolic links), device, content, entries (aliases and certificates of a
Java key store in their order), lines (of a file whose lines have no order: LINES), links (the other names of the same
file), mtime (files and symbolic links; a directory's changes whenever something is renamed in it), xattrs.
"""
import argparse
import collections
import hashlib
import os
import re
import stat
import sys

ASPECTS = ["presence", "type", "mode", "owner", "target", "device", "content", "entries", "lines", "links", "mtime", "xattrs"]

# Files that are read as a set of lines.
LINES = {"var/lib/dpkg/triggers/File", "usr/lib/sysimage/dpkg/triggers/File"}


class Exceptions:
    """The named exceptions and how often each was used."""

    def __init__(self, path):
        self.rules, self.used = [], collections.Counter()
        for number, line in enumerate(open(path, encoding="utf-8") if path else [], 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.rstrip("\n").split("\t")
            aspects = set(ASPECTS if fields[0] == "all" else fields[0].split(","))
            if len(fields) != 3 or not aspects <= set(ASPECTS):
                sys.exit(f"{path}:{number}: want ASPECTS <tab> REGEX <tab> REASON")
            self.rules.append((aspects, re.compile(fields[1]), fields[2]))

    def covers(self, aspect, path):
        for aspects, pattern, reason in self.rules:
            if aspect in aspects and pattern.fullmatch(path):
                self.used[reason] += 1
                return True
        return False


def content(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_store(path):
    """The aliases and certificates of a Java key store (JKS of trusted certificates only), without the times when they
    were added; None for any other file."""
    with open(path, "rb") as file:
        if file.read(8) != b"\xfe\xed\xfe\xed\0\0\0\2":
            return None
        number = lambda length: int.from_bytes(file.read(length), "big")
        entries = []
        for _ in range(number(4)):
            kind, alias = number(4), file.read(number(2))
            file.read(8)
            entries.append((kind, alias, file.read(number(2)), file.read(number(4))))
        return hashlib.sha256(repr(entries).encode()).hexdigest()


def describe(path, info):
    """Every aspect of one path but the links, which need the whole tree."""
    kind = stat.S_IFMT(info.st_mode)
    entry = {"presence": "present", "type": stat.filemode(info.st_mode)[0], "owner": f"{info.st_uid}:{info.st_gid}",
             "xattrs": {n: os.getxattr(path, n, follow_symlinks=False).hex()
                        for n in sorted(os.listxattr(path, follow_symlinks=False))}}
    if kind != stat.S_IFLNK:
        entry["mode"] = f"{stat.S_IMODE(info.st_mode):04o}"
    if kind == stat.S_IFLNK:
        entry["target"] = os.readlink(path)
    if kind in (stat.S_IFCHR, stat.S_IFBLK):
        entry["device"] = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    if kind == stat.S_IFREG:
        entry["content"] = content(path)
        entry["entries"] = key_store(path)
    if kind in (stat.S_IFREG, stat.S_IFLNK):
        entry["mtime"] = int(info.st_mtime)
    return entry


def tree(root):
    """path -> aspects, of everything below ROOT."""
    entries, names = {}, collections.defaultdict(list)
    folders = [""]
    while folders:
        for item in os.scandir(os.path.join(root, folders.pop())):
            path = os.path.relpath(item.path, root)
            info = item.stat(follow_symlinks=False)
            entries[path] = describe(item.path, info)
            if stat.S_ISDIR(info.st_mode):
                folders.append(path)
            elif info.st_nlink > 1:
                names[info.st_ino].append(path)
    for group in names.values():
        for path in group:
            entries[path]["links"] = sorted(group)
    for path in LINES & entries.keys():
        with open(os.path.join(root, path), "rb") as file:
            entries[path]["lines"] = sorted(file)
    return entries


def differences(left, right):
    """(aspect, path, left value, right value), presence alone when one side lacks the path."""
    absent = {"presence": "absent"}
    for path in sorted(left.keys() | right.keys()):
        a, b = left.get(path, absent), right.get(path, absent)
        for aspect in ASPECTS if a is not absent and b is not absent else ["presence"]:
            if a.get(aspect) != b.get(aspect):
                yield aspect, path, a.get(aspect), b.get(aspect)


GENERATED = "written in the run: the right has the time of the run, imgfix's the one time of all that it generates"


def is_generated(left, since, database):
    """Whether the times of a file say that it was written in the run, on both sides."""
    status = left.get(database, {}).get("mtime")
    return lambda aspect, a, b: (aspect == "mtime" and since is not None and a == status and b >= since)


def main():
    parser = argparse.ArgumentParser(description="Compares two root file systems path by path.")
    parser.add_argument("--exceptions")
    parser.add_argument("--show", type=int, default=200, help="differences to print (all are counted)")
    parser.add_argument("--since", type=int)
    parser.add_argument("--database", default="var/lib/dpkg/status")
    parser.add_argument("left")
    parser.add_argument("right")
    arguments = parser.parse_args()
    exceptions = Exceptions(arguments.exceptions)
    left, right = tree(arguments.left), tree(arguments.right)
    if not left or not right:
        sys.exit("compare.py: one side is empty, which cannot be meant")
    generated = is_generated(left, arguments.since, arguments.database)
    found, written = [], 0
    for aspect, path, a, b in differences(left, right):
        if generated(aspect, a, b):
            written += 1
        elif not exceptions.covers(aspect, path):
            found.append((aspect, path, a, b))
    for aspect, path, a, b in found[:arguments.show]:
        print(f"{aspect} {path}: {a} | {b}")
    if len(found) > arguments.show:
        print(f"... and {len(found) - arguments.show} more")
    print(f"{len(left)} and {len(right)} paths compared")
    print(f"{written:6} excepted: {GENERATED}")
    for _, _, reason in exceptions.rules:
        print(f"{exceptions.used[reason]:6} excepted: {reason}")
    print(f"{len(found):6} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
