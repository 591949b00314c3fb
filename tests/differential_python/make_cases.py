"""Makes virtual environments, and what a real installer makes of them.

usage: make_cases.py INSTALLER COMMAND UPGRADES FOLDER

In:  INSTALLER: pip or uv. COMMAND: the program. UPGRADES: lines NAME OLD NEW. PyPI.
Out: FOLDER/NAME/before (a copy of the environment with OLD), FOLDER/NAME/venv (with NEW, where it was made),
     FOLDER/NAME/wheel.whl, FOLDER/NAME/case (NAME OLD NEW). One that cannot be made is named, and exit code 1.
"""

import pathlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

installer, command, upgrades, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])


def install(python, wanted, wheels=None):
    if wheels:
        subprocess.run(["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
                        "--dest", wheels, wanted], check=True, capture_output=True, text=True)
        return
    if installer == "uv":
        call = [command, "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--python", python, wanted]
    else:
        call = [command, "--python", python, "install", "--quiet", "--no-deps", "--only-binary=:all:", wanted]
    subprocess.run(call, check=True, capture_output=True, text=True)


def make(line):
    name, old, new = line.split()
    case = folder / name
    if (case / "case").exists():
        return None
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    venv = case / "venv"
    try:
        subprocess.run(["python3", "-m", "venv", "--without-pip", venv], check=True)
        python = venv / "bin/python"
        install(python, f"{name}=={old}")
        subprocess.run(["cp", "-a", venv, case / "before"], check=True)
        install(python, f"{name}=={new}")
        install(python, f"{name}=={new}", case / "wheels")
        (wheel,) = (case / "wheels").iterdir()
        wheel.rename(case / "wheel.whl")
    except subprocess.CalledProcessError as error:
        return f"{name}: {error} {error.stderr}"
    (case / "case").write_text(f"{name} {old} {new}\n")
    return None


lines = [line for line in upgrades.read_text().splitlines() if line and not line.startswith("#")]
with ThreadPoolExecutor(2) as pool:
    failures = [failure for failure in pool.map(make, lines) if failure]
print("\n".join(failures))
sys.exit(1 if failures else 0)
