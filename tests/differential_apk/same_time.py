#!/usr/bin/env python3
"""Gives what apk wrote in its run the time that imgfix gives to all that it generates.

usage: same_time.py REPAIRED APK SINCE

In:  two root file systems; SINCE, when apk began to work on APK, in seconds since the epoch.
Out: APK/lib/apk/db/scripts.tar, of which apk 2.12 writes every entry with the time of the run: those have the time of
     REPAIRED/lib/apk/db/installed, and are otherwise as they were. APK/etc/shadow: the day on which the accounts of
     the run were made is that time's day.
"""
import os
import re
import sys

BLOCK = 512
SIZE, TIME, SUM = slice(124, 136), slice(136, 148), slice(148, 156)
DAY = 86400


def number(field):
    return int(field.strip(b"\0 ") or b"0", 8)


def like(field, value):
    """VALUE in the same form: octal digits, then what comes after them."""
    digits = re.match(rb"[0-7]*", field)[0]
    return b"%0*o" % (len(digits), value) + field[len(digits):]


def scripts(path, since, time, _repaired):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    at = 0
    while at < len(data) and any(data[at:at + BLOCK]):
        header = data[at:at + BLOCK]
        if number(header[TIME]) >= since:
            former = bytes(header[SUM])
            header[TIME] = like(bytes(header[TIME]), time)
            header[SUM] = b" " * 8
            header[SUM] = like(former, sum(header))
            data[at:at + BLOCK] = header
        at += BLOCK + (number(header[SIZE]) + BLOCK - 1) // BLOCK * BLOCK
    with open(path, "wb") as file:
        file.write(data)


def shadow(path, since, time, repaired):
    with open(f"{repaired}/etc/shadow", encoding="utf-8") as file:
        same = set(file)
    lines = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            # An account that was there before has its day in both.
            for day in range(since // DAY, since // DAY + 2) if line not in same else ():
                line = line.replace(f":!:{day}:0:99999:7:::\n", f":!:{time // DAY}:0:99999:7:::\n")
            lines.append(line)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    repaired, apk, since = sys.argv[1], sys.argv[2], int(sys.argv[3])
    time = int(os.stat(os.path.join(repaired, "lib/apk/db/installed")).st_mtime)
    for path, change in (("lib/apk/db/scripts.tar", scripts), ("etc/shadow", shadow)):
        path = os.path.join(apk, path)
        if os.path.exists(path):
            info = os.stat(path)
            change(path, since, time, repaired)
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


if __name__ == "__main__":
    main()
