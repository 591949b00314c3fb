"""Makes virtual environments, and what a real installer makes of them.

usage: make_cases.py INSTALLER COMMAND UPGRADES FOLDER [NAME...]

In:  INSTALLER: pip or uv. COMMAND: the program. UPGRADES: lines NAME OLD NEW; with NAMEs only those. PyPI.
Out: FOLDER/NAME/before (a copy of the environment with OLD, and with everything that NEW wants), FOLDER/NAME/venv (with
     NEW, where it was made), FOLDER/NAME/wheel.whl, FOLDER/NAME/case (NAME OLD NEW). What is there is not made again.
     One that cannot be made is named, and exit code 1.
"""

import pathlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

installer, command, upgrades, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])
names = sys.argv[5:]


def run(*call):
    subprocess.run(call, check=True, capture_output=True, text=True)


def install(python, wanted, *options):
    common = ["--quiet", "--only-binary=:all:", *options, wanted]
    if installer == "uv":
        run(command, "pip", "install", "--python", python, *common)
    else:
        run(command, "--python", python, "install", *common)


def make(line):
    name, old, new = line.split()
    case = folder / name
    if (case / "case").exists():
        return None
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    venv = case / "venv"
    python = venv / "bin/python"
    try:
        run("python3", "-m", "venv", "--without-pip", venv)
        install(python, f"{name}=={new}")
        install(python, f"{name}=={old}", "--no-deps")
        run("cp", "-a", venv, case / "before")
        install(python, f"{name}=={new}", "--no-deps")
        run("python3", "-m", "pip", "--python", python, "download", "--quiet", "--no-deps", "--only-binary=:all:",
            "--dest", case / "wheels", f"{name}=={new}")
        (wheel,) = (case / "wheels").iterdir()
        wheel.rename(case / "wheel.whl")
    except subprocess.CalledProcessError as error:
        return f"{name}: {error} {error.stderr}"
    (case / "case").write_text(f"{name} {old} {new}\n")
    return None


lines = [line for line in upgrades.read_text().splitlines() if line and not line.startswith("#")]
lines = [line for line in lines if not names or line.split()[0] in names]
with ThreadPoolExecutor(2) as pool:
    failures = [failure for failure in pool.map(make, lines) if failure]
print("\n".join(failures))
sys.exit(1 if failures else 0)
