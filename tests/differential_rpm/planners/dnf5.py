#!/usr/bin/python3
"""What dnf 5 would do with small systems, many of them in one process.

usage: dnf5.py FOLDER

In:  FOLDER/SYSTEM, as dnf4.py has it. python3-libdnf5.
Out: FOLDER/SYSTEM/answers.dnf5, as that of dnf4.py.
"""

import argparse
import configparser
import os
import shutil
import sys

import libdnf5


def opened(system):
    """The system as `dnf5 --installroot` sees it."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(os.path.join(system, "settings"))
    main = settings["main"]
    base = libdnf5.base.Base()
    config = base.get_config()
    config.installroot = os.path.join(system, "root")
    for name in ("cachedir", "logdir", "persistdir", "system_cachedir"):
        setattr(config, name, os.path.join(system, "dnf", name))
    config.best = False
    config.plugins = False
    config.pkg_gpgcheck = False
    config.reposdir = [os.path.join(system, "none")]
    config.varsdir = [os.path.join(system, "none")]
    config.module_platform_id = "platform:x1"
    config.install_weak_deps = main.getboolean("install_weak_deps")
    config.protected_packages = main.get("protected_packages", "").split()
    config.excludepkgs = main.get("excludepkgs", "").split()
    base.get_vars().set("releasever", "1")
    base.setup()
    repositories = base.get_repo_sack()
    for section in settings.sections():
        if section == "main":
            continue
        of_repository = repositories.create_repo(section).get_config()
        of_repository.baseurl = ["file://" + os.path.join(system, section)]
        of_repository.priority = int(settings[section]["priority"])
        of_repository.module_hotfixes = settings[section].getboolean("module_hotfixes")
    repositories.load_repos()
    return base


def answer(base, words):
    """The plan for the words of a command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("--advisory", action="append", default=[])
    parser.add_argument("--cve", action="append", default=[])
    parser.add_argument("packages", nargs="*")
    asked = parser.parse_args(words)
    goal = libdnf5.base.Goal(base)
    settings = libdnf5.base.GoalJobSettings()
    if asked.advisory or asked.cve:
        advisories = libdnf5.advisory.AdvisoryQuery(base)
        if asked.advisory:
            advisories.filter_name(asked.advisory)
        else:
            advisories.filter_reference(asked.cve, "cve")
        settings.set_advisory_filter(advisories)
    minimal = asked.verb == "upgrade-minimal"
    if asked.packages:
        for package in asked.packages:
            goal.add_upgrade(package, settings, minimal)
    else:
        goal.add_rpm_upgrade(settings, minimal)
    plan = []
    for one in goal.resolve().get_transaction_packages():
        package = one.get_package()
        comes = libdnf5.transaction.transaction_item_action_is_inbound(one.get_action())
        sign = "+" if comes else "-"
        evr = package.get_evr()
        plan.append(f"{sign}{package.get_name()}-{evr}.{package.get_arch()}")
    return plan


def main():
    folder = os.path.realpath(sys.argv[1])
    for name in sorted(os.listdir(folder)):
        system = os.path.join(folder, name)
        base = opened(system)
        with open(os.path.join(system, "questions"), encoding="utf-8") as questions:
            asked = [line.rstrip("\n").split("\t") for line in questions]
        with open(os.path.join(system, "answers.dnf5"), "w", encoding="utf-8") as answers:
            for question, words in asked:
                answers.write(f"{question}\t{' '.join(sorted(answer(base, words.split())))}\n")
        shutil.rmtree(os.path.join(system, "dnf"), ignore_errors=True)


main()
