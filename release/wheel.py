"""Zips a program to a wheel; release/wheel calls it.

usage: wheel.py PROGRAM VERSION MACHINE SECONDS FOLDER LICENCES

The form: https://packaging.python.org/en/latest/specifications/binary-distribution-format/ . A file in `.data/scripts`
is put on PATH as it is. The tags say that the program needs no library: any glibc from 2.17 on, any musl.
"""

import base64
import hashlib
import re
import sys
import time
import zipfile
from pathlib import Path

program, version, machine, seconds, folder, licences = sys.argv[1:]
name = f"imgfix-{version}"
tags = [f"py3-none-{it}_{machine}" for it in ("manylinux2014", "manylinux_2_17", "musllinux_1_1")]
platforms = ".".join(tag.rsplit("none-")[1] for tag in tags)
manifest = Path("Cargo.toml").read_text(encoding="utf-8")
summary = re.search(r'^description = "(.*)"$', manifest, re.MULTILINE)[1]
keywords = re.findall(r'"(.*?)"', re.search(r"^keywords = \[(.*)\]$", manifest, re.MULTILINE)[1])
licence = re.search(r'^license = "(.*)"$', manifest, re.MULTILINE)[1]

metadata = f"""Metadata-Version: 2.4
Name: imgfix
Version: {version}
Summary: {summary}
Keywords: {",".join(keywords)}
License-Expression: {licence}
License-File: LICENSE-APACHE
License-File: LICENSE-MIT
License-File: LICENSES-THIRD-PARTY
Classifier: Environment :: Console
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: Rust
Classifier: Topic :: Security
Requires-Python: >=3.7
Description-Content-Type: text/markdown; charset=UTF-8; variant=GFM

""" + Path("README.md").read_text(encoding="utf-8")
wheel = "Wheel-Version: 1.0\nGenerator: imgfix-release\nRoot-Is-Purelib: false\n"
wheel += "".join(f"Tag: {tag}\n" for tag in tags)

# Path in the wheel, content, mode.
info = f"{name}.dist-info"
files = [
    (f"{name}.data/scripts/imgfix", Path(program).read_bytes(), 0o755),
    *((f"{info}/licenses/{it}", Path(it).read_bytes(), 0o644) for it in ("LICENSE-APACHE", "LICENSE-MIT")),
    (f"{info}/licenses/LICENSES-THIRD-PARTY", Path(licences).read_bytes(), 0o644),
    (f"{info}/METADATA", metadata.encode(), 0o644),
    (f"{info}/WHEEL", wheel.encode(), 0o644),
]
record = ""
for path, content, _ in files:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    record += f"{path},sha256={digest},{len(content)}\n"
files.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode(), 0o644))

target = Path(folder) / f"{name}-py3-none-{platforms}.whl"
with zipfile.ZipFile(target, "w") as archive:
    for path, content, mode in files:
        entry = zipfile.ZipInfo(path, time.gmtime(int(seconds))[:6])
        entry.external_attr = (0o100000 | mode) << 16
        entry.create_system = 3  # Unix, so that the mode counts
        archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
print(target)
