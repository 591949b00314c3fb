"""Compares an environment with another, path by path: type, mode, content.

usage: compare.py OURS REAL

In:  two folders. What interpreters compile (*.pyc, __pycache__) is left out on both sides, and its rows in RECORD: it has
     the time of its source in it, and imgfix leaves it to the interpreter.
Out: a line for each difference; exit code 1 when there is one.
"""

import csv
import io
import os
import pathlib
import stat
import sys


def is_compiled(path):
    return path.endswith(".pyc") or "__pycache__" in path.split("/")


def content(path):
    data = path.read_bytes()
    if path.name == "RECORD" and path.parent.name.endswith(".dist-info"):
        rows = [row for row in csv.reader(io.StringIO(data.decode(), newline="")) if not is_compiled(row[0])]
        return repr((data.count(b"\r\n") > 0, rows)).encode()
    return data


def entries(folder):
    found = {}
    for path in pathlib.Path(folder).rglob("*"):
        name = str(path.relative_to(folder))
        if is_compiled(name):
            continue
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            found[name] = ("link", os.readlink(path))
        elif stat.S_ISDIR(mode):
            found[name] = ("folder", oct(stat.S_IMODE(mode)))
        else:
            found[name] = ("file", oct(stat.S_IMODE(mode)), content(path))
    return found


ours, real = entries(sys.argv[1]), entries(sys.argv[2])
differences = sorted(name for name in ours.keys() | real.keys() if ours.get(name) != real.get(name))
for name in differences:
    print(f"{name}: imgfix {str(ours.get(name))[:300]}, real {str(real.get(name))[:300]}")
if not ours:
    print("nothing was compared")
sys.exit(1 if differences or not ours else 0)
