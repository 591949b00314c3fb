"""An image's root file system with the environments of make_cases.py, and a Trivy report about them.

usage: make_image.py CASES ROOT REPORT

In:  CASES: a folder of make_cases.py. The interpreter's program and the C library of this machine.
Out: ROOT, with each environment at its own path; REPORT, in which each old version has a problem that the new one fixes.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import sysconfig

cases, root, report = (pathlib.Path(text) for text in sys.argv[1:4])
root.mkdir(parents=True)


def put(path):
    path = pathlib.Path(path)
    there = root / path.relative_to("/")
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path.resolve(), there)


version = f"{sys.version_info.major}.{sys.version_info.minor}"
put(pathlib.Path(sys.base_prefix) / f"bin/python{version}")
for library in pathlib.Path("/lib").glob("*-linux-gnu/libc.so.6"):
    put(library)
header = pathlib.Path(sysconfig.get_path("include")) / "patchlevel.h"
if header.exists():
    put(header)

problems = []
for case in sorted(path.parent for path in cases.glob("*/case")):
    name, old, new = (case / "case").read_text().split()
    there = root / case.relative_to("/")
    there.mkdir(parents=True)
    subprocess.run(["cp", "-a", case / "before", there / "venv"], check=True)
    found = there.glob("venv/lib/python*/site-packages/*.dist-info/METADATA")
    # the folder's name has the distribution's in some form: letters and digits are the same in all
    letters = "".join(filter(str.isalnum, name)).lower()
    (record,) = [one for one in found
                 if "".join(filter(str.isalnum, one.parent.name.split("-")[0])).lower() == letters]
    problems.append({
        "VulnerabilityID": f"CVE-2026-{len(problems):04}", "PkgName": name, "PkgPath": str(record.relative_to(root)),
        "InstalledVersion": old, "FixedVersion": new, "Status": "fixed", "Severity": "HIGH", "Title": "of a test",
    })
report.write_text(json.dumps({
    "SchemaVersion": 2, "ArtifactName": "app", "ArtifactType": "container_image", "Metadata": {},
    "Results": [{"Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg", "Vulnerabilities": problems}],
}))
