#!/usr/bin/env python3
"""Writes the database that imgfix wrote as apk 2 does in the forms of apk 3.

usage: as_apk3.py ROOT OTHER

In:  two root file systems, ROOT with lib/apk/db as apk 2 writes it, OTHER as apk 3 does.
Out: ROOT/lib/apk/db/installed, with the files of a directory by name; triggers, by the names of the packages;
     scripts.tar, by the names of the packages, identities in hexadecimal digits. The records of packages of which the
     two take another version (own-zeros, own-zeros-back) are taken out of both. Nothing else is changed; times stay.
"""
import base64
import io
import os
import sys
import tarfile


def records(data):
    """The records of the database, each a list of lines."""
    return [record.split(b"\n") for record in data.rstrip(b"\n").split(b"\n\n")]


def field(record, letter):
    return next(line[2:] for line in record if line.startswith(letter + b":"))


def sorted_files(record):
    """A directory's files are groups of lines that begin with R."""
    out, files = [], []

    def flush():
        out.extend(line for file in sorted(files, key=lambda file: file[0]) for line in file)
        files.clear()

    for line in record:
        if line.startswith(b"F:"):
            flush()
            out.append(line)
        elif line.startswith(b"R:"):
            files.append([line])
        elif files:
            files[-1].append(line)
        else:
            out.append(line)
    flush()
    return out


def scripts(data, order):
    """The archive with its members by the order of identities."""
    source, members = io.BytesIO(data), []
    with tarfile.open(fileobj=source) as archive:
        for member in archive:
            header = bytearray(data[member.offset:member.offset + 512])
            rest, action = member.name.rsplit(".", 1)
            package, identity = rest.rsplit(".", 1)
            digits = base64.b64decode(identity[2:]).hex()
            name = f"{package}.X1{digits}.{action}".encode()
            header[0:100] = name.ljust(100, b"\0")
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            size = -(-member.size // 512) * 512
            members.append((order[identity], header + data[member.offset_data:member.offset_data + size]))
    members.sort(key=lambda member: member[0])
    return b"".join(member for _, member in members) + bytes(1024)


def change(path, function):
    times = os.stat(path)
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(function(data))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = f"{sys.argv[1]}/lib/apk/db"
    with open(f"{folder}/installed", "rb") as file:
        packages = records(file.read())
    order = {field(one, b"C").decode(): at for at, one in enumerate(packages)}
    for root in sys.argv[1:]:
        change(f"{root}/lib/apk/db/installed", lambda data: b"".join(
            b"\n".join(sorted_files(one)) + b"\n\n" for one in records(data)
            if not field(one, b"P").startswith(b"own-zeros")))
    change(f"{folder}/triggers", lambda data: b"".join(
        sorted(data.splitlines(True), key=lambda line: order[line.split()[0].decode()])))
    change(f"{folder}/scripts.tar", lambda data: scripts(data, order))


if __name__ == "__main__":
    main()
