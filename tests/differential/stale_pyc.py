#!/usr/bin/env python3
"""Lists compiled python files that do not belong to their source any more.

usage: stale_pyc.py ROOT

Out: the paths of `__pycache__/NAME.TAG.pyc` files below ROOT whose source is gone, or has another modification time or
     size than was compiled (https://docs.python.org/3/reference/import.html#cached-bytecode-invalidation).
"""
import os
import re
import struct
import sys


def is_stale(path):
    folder, name = os.path.split(path)
    source = os.path.join(os.path.dirname(folder), re.sub(r"\.[a-z]+-\d+(\.opt-\d)?\.pyc$", ".py", name))
    with open(path, "rb") as file:
        _, flags, mtime, size = struct.unpack("<IIII", file.read(16))
    if not os.path.exists(source):
        return True
    info = os.stat(source)
    return flags == 0 and (int(info.st_mtime) & 0xFFFFFFFF, info.st_size & 0xFFFFFFFF) != (mtime, size)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for folder, _, names in os.walk(sys.argv[1]):
        if os.path.basename(folder) == "__pycache__":
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(".pyc") and is_stale(path):
                    print(os.path.relpath(path, sys.argv[1]))


if __name__ == "__main__":
    main()
