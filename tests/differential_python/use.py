"""Uses a distribution of an environment: every module at its top, and its programs with --version or --help.

usage: PYTHON use.py NAME

In:  the environment's interpreter, the distribution's name.
Out: a line for each.
"""

import importlib
import importlib.metadata
import os
import subprocess
import sys

distribution = importlib.metadata.distribution(sys.argv[1])
tops = {file.parts[0] for file in distribution.files if len(file.parts) == 2 and file.name == "__init__.py"}
tops |= {file.stem for file in distribution.files if len(file.parts) == 1 and file.suffix == ".py"}
for top in sorted(tops - {"_distutils_hack", "distutils-precedence"}):
    try:
        importlib.import_module(top)
        print(f"imported {top}")
    except Exception as error:
        print(f"{top} cannot be imported: {error}")
for file in distribution.files:
    path = file.locate()
    if path.parent.name == "bin" and os.access(path, os.X_OK) and "venv" in str(path):
        done = [subprocess.run([path, option], capture_output=True, stdin=subprocess.DEVNULL, timeout=60).returncode
                for option in ("--version", "--help")]
        print(f"ran {path.name}" if 0 in done else f"{path.name} does not run: {done}")
