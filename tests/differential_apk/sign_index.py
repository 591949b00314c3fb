#!/usr/bin/env python3
"""Signs an index as abuild-sign does: a gzip member with the signature before the index's own.

usage: sign_index.py INDEX KEYS NAME ALGORITHM

In:  INDEX, an APKINDEX.tar.gz as `apk index` writes it; KEYS/NAME.rsa; ALGORITHM, `RSA` or `RSA256`.
Out: INDEX, signed.
"""
import sys

from apkfile import Key


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    path, keys, name, algorithm = sys.argv[1:]
    with open(path, "rb") as index:
        data = index.read()
    with open(path, "wb") as index:
        index.write(Key(keys, name).signature(data, algorithm) + data)


if __name__ == "__main__":
    main()
