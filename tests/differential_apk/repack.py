#!/usr/bin/env python3
"""Makes a repository with a newer version of every package of a root file system, and packages of our own.

usage: repack.py ROOT DIR

In:  ROOT, a root file system as Alpine publishes it (only read).
Out: DIR/first/ARCH/*.apk, packages of our own that an image gets before it is repaired, and DIR/next/ARCH/*.apk, the
     newer versions of these and of all that ROOT has; signed with DIR/keys/own.rsa, made when it is missing. What is
     newer is in changes.py and own.py. Indexes are not made: the image's own `apk index` does that (see image).
"""
import os
import sys

import apkfile
import changes
import database
import own


def write(packages, folder, key):
    os.makedirs(folder)
    for package in packages:
        package.write(folder, key)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root, out = sys.argv[1:]
    os.makedirs(os.path.join(out, "keys"), exist_ok=True)
    key = apkfile.Key(os.path.join(out, "keys"), "own")
    installed = database.packages(root)
    arch = installed["musl"].fields["arch"]
    write(own.first(), os.path.join(out, "first", arch), key)
    write(changes.newer(installed) + own.after(), os.path.join(out, "next", arch), key)


if __name__ == "__main__":
    main()
