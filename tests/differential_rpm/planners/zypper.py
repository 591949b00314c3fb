#!/usr/bin/python3
"""What zypper would do with small systems.

usage: zypper.py FOLDER

In:  FOLDER/SYSTEM, as dnf4.py has it. zypper. It has no settings of dnf's: systems that exclude packages or have modules
     are passed over. It is asked for updates of everything, and for patches.
Out: FOLDER/SYSTEM/answers.zypper, as that of dnf4.py.
"""

import configparser
import glob
import os
import subprocess
import sys
import xml.etree.ElementTree as ET


def zypper(root, *words):
    """The output of a command, as XML."""
    command = ["zypper", "--root", root, "--non-interactive", "--no-gpg-checks", "--xmlout", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    return ran.stdout


def prepared(system):
    """The system's root, with its repositories refreshed; None: it has settings that are dnf's own."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(os.path.join(system, "settings"))
    if settings["main"].get("excludepkgs") or glob.glob(os.path.join(system, "r*/repodata/modules.yaml")):
        return None
    if os.path.basename(system).startswith("case-stream"):
        return None
    root = os.path.join(system, "root")
    os.makedirs(os.path.join(root, "etc/zypp/repos.d"), exist_ok=True)
    with open(os.path.join(root, "etc/zypp/zypp.conf"), "w", encoding="utf-8") as conf:
        conf.write("[main]\narch = x86_64\n")
    for section in settings.sections():
        if section == "main":
            continue
        with open(os.path.join(root, "etc/zypp/repos.d", section + ".repo"), "w", encoding="utf-8") as repo:
            url = "dir:" + os.path.join(system, section)
            priority = settings[section]["priority"]
            repo.write(f"[{section}]\nname={section}\nenabled=1\nbaseurl={url}\npriority={priority}\ngpgcheck=0\n")
    zypper(root, "refresh")
    recommends = "--recommends" if settings["main"].getboolean("install_weak_deps") else "--no-recommends"
    return root, recommends


def answer(root, recommends, words):
    """The plan for the words of a command of dnf."""
    if words[1:2] == ["--cve"]:
        text = zypper(root, "patch", "--dry-run", recommends, "--cve=" + words[2])
    else:
        text = zypper(root, "update", "--dry-run", recommends)
    plan = []
    for summary in ET.fromstring(text).iter("install-summary"):
        for kind in summary:
            for one in kind.iter("solvable"):
                if one.get("type") != "package":
                    continue
                name, arch, edition, old = (one.get(key) for key in ("name", "arch", "edition", "edition-old"))
                sign = "-" if kind.tag == "to-remove" else "+"
                plan.append(f"{sign}{name}-{edition}.{arch}")
                if old:
                    plan.append(f"-{name}-{old}.{one.get('arch-old') or arch}")
    return plan


def main():
    folder = os.path.realpath(sys.argv[1])
    for name in sorted(os.listdir(folder)):
        system = os.path.join(folder, name)
        opened = prepared(system)
        if opened is None:
            continue
        with open(os.path.join(system, "questions"), encoding="utf-8") as questions:
            asked = [line.rstrip("\n").split("\t") for line in questions]
        with open(os.path.join(system, "answers.zypper"), "w", encoding="utf-8") as answers:
            for question, words in asked:
                # an update of one package is to its newest version, or fails
                if words == "upgrade" or "--cve" in words:
                    answers.write(f"{question}\t{' '.join(sorted(answer(*opened, words.split())))}\n")


main()
