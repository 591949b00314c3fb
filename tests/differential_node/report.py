#!/usr/bin/env python3
"""Writes a Trivy report about one package of Node.

usage: report.py ID PATH NAME INSTALLED FIXED

In:  the package as the report has it; PATH without its leading slash.
Out: the report on stdout.
"""
import json
import sys


def main():
    identifier, path, name, installed, fixed = sys.argv[1:]
    finding = {
        "VulnerabilityID": identifier,
        "PkgName": name,
        "PkgPath": path,
        "InstalledVersion": installed,
        "FixedVersion": fixed,
        "Status": "fixed",
        "Severity": "HIGH",
        "Title": "made by a test",
    }
    report = {
        "SchemaVersion": 2,
        "ArtifactName": "app",
        "ArtifactType": "container_image",
        "Metadata": {},
        "Results": [
            {"Target": "Node.js", "Class": "lang-pkgs", "Type": "node-pkg", "Vulnerabilities": [finding]}
        ],
    }
    json.dump(report, sys.stdout)


main()
