#!/usr/bin/env python3
"""Specs of newer versions of installed packages, which have what these provide, and no files.

usage: tests/differential_rpm/newer.py WORK COUNT BUCKET

In:  WORK/list (name, epoch, version, release, architecture, source package a line), WORK/provides, WORK/files,
     WORK/paths: what `tests/differential_rpm/vendors` asked rpm for. BUCKET: what Trivy calls the release.
Out: WORK/specs/NAME.spec, and the vulnerabilities that they fix, on stdout: {BUCKET: {package: {id: fixed version}}}.
"""
import collections
import json
import sys

work, count, bucket = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def lines(name):
    with open(f"{work}/{name}") as file:
        return [line.rstrip("\n").split("\t") for line in file]


wanted = {line[0] for line in lines("paths")}
provides = collections.defaultdict(list)
for name, what, sign, version in lines("provides"):
    # what is not plain text of a spec is left to the old packages
    if "%" not in what and not what.startswith("("):
        provides[name].append(f"{what} {sign.strip()} {version}".strip() if sign.strip() else what)
for name, path in lines("files"):
    if path in wanted:
        provides[name].append(path)

found = {}
sources = collections.defaultdict(list)
for line in lines("list"):
    if line[0] != "gpg-pubkey":
        sources[line[5]].append(line)
packages = []
for source in sorted(sources):
    if len(packages) < count:
        packages += sources[source]
for at, (name, epoch, version, release, architecture, source) in enumerate(packages):
    release += ".99"
    source_name = source.removesuffix(".src.rpm").rsplit("-", 2)[0] if source.endswith(".src.rpm") else name
    own = [one for one in provides[name] if one.split(" ")[0].split("(")[0] != name or "(" in one and " = " not in one]
    head = [f"Version: {version}", f"Release: {release}", "Summary: newer", "License: none"]
    if epoch != "(none)":
        head.insert(0, f"Epoch: {epoch}")
    body = [f"Provides: {one}" for one in own]
    noarch = ["BuildArch: noarch"] if architecture == "noarch" else []
    target = "x86_64" if architecture == "noarch" else architecture
    if source_name == name:
        text = [f"Name: {name}", *head, *noarch, *body, "%description", "newer", "%files"]
    else:
        text = [f"Name: {source_name}", *head, *noarch, "%description", "newer",
                f"%package -n {name}", "Summary: newer", *body, f"%description -n {name}", "newer", f"%files -n {name}"]
    with open(f"{work}/specs/{name}.spec", "w") as file:
        file.write("\n".join([f"# {target}", *text]) + "\n")
    # Trivy judges Azure Linux by source packages, the others by their binary packages
    key = source_name if "Mariner" in bucket else name
    fixed = f"{version}-{release}" if epoch in ("(none)", "0") else f"{epoch}:{version}-{release}"
    found.setdefault(key, {})[f"CVE-2026-{1000 + at}"] = fixed
json.dump({bucket: found}, sys.stdout)
