#!/usr/bin/python3
"""What dnf 4 would do with small systems, many of them in one process.

usage: dnf4.py FOLDER

In:  FOLDER/SYSTEM: root (with rpm's database), repositories r0, r1, ..., settings and questions, as
     src/dnf/solve/differential/written.rs writes them. python3-dnf, and dnf-plugins-core for the locks.
Out: FOLDER/SYSTEM/answers.dnf4, a line a question: its name, a tab, and `+name-evr.arch` for what comes and
     `-name-evr.arch` for what goes.
"""

import argparse
import configparser
import glob
import logging
import os
import shutil
import sys

import dnf


def opened(system):
    """The system as `dnf --installroot` sees it."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(os.path.join(system, "settings"))
    conf = dnf.conf.Conf()
    conf.installroot = os.path.join(system, "root")
    for name in ("cachedir", "logdir"):
        setattr(conf, name, os.path.join(system, "dnf4", name))
    conf.persistdir = os.path.join(conf.installroot, "var/lib/dnf")
    conf.best = False
    conf.gpgcheck = False
    locks = os.path.join(conf.installroot, "etc/dnf/plugins/versionlock.list")
    conf.plugins = os.path.exists(locks)
    conf.pluginconfpath = [os.path.join(system, "plugins")]
    conf.reposdir = []
    conf.varsdir = []
    conf.substitutions["releasever"] = "1"
    conf.module_platform_id = "platform:x1"
    main = settings["main"]
    conf.install_weak_deps = main.getboolean("install_weak_deps")
    conf.protected_packages = main.get("protected_packages", "").split()
    conf.excludepkgs = main.get("excludepkgs", "").split()
    os.makedirs(conf.logdir)
    base = dnf.Base(conf)
    for section in settings.sections():
        if section == "main":
            continue
        own = settings[section]
        base.repos.add_new_repo(
            section,
            conf,
            baseurl=["file://" + os.path.join(system, section)],
            priority=int(own["priority"]),
            module_hotfixes=own.getboolean("module_hotfixes"),
        )
    if conf.plugins:
        os.makedirs(conf.pluginconfpath[0], exist_ok=True)
        with open(os.path.join(conf.pluginconfpath[0], "versionlock.conf"), "w", encoding="utf-8") as plugin:
            plugin.write(f"[main]\nenabled = 1\nlocklist = {locks}\n")
        base.init_plugins(disabled_glob=["*"], enable_plugins=["versionlock"])
        base.configure_plugins()
    base.fill_sack()
    return base


def answer(base, words):
    """The plan for the words of a command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    parser.add_argument("--advisory", action="append", default=[])
    parser.add_argument("--cve", action="append", default=[])
    parser.add_argument("packages", nargs="*")
    asked = parser.parse_args(words)
    base.reset(goal=True)
    base.reset_security_filters()
    base.add_security_filters(
        "eq" if asked.verb == "upgrade-minimal" else "gte", advisory=asked.advisory, cves=asked.cve
    )
    try:
        if asked.packages:
            for package in asked.packages:
                base.upgrade(package)
        else:
            base.upgrade_all()
        base.resolve()
    except dnf.exceptions.MarkingError:
        return []
    except dnf.exceptions.DepsolveError as error:
        return ["!" + "_".join(str(error).split())]
    transaction = base.transaction
    text = lambda sign, package: f"{sign}{package.name}-{package.evr}.{package.arch}"
    return [text("+", one) for one in transaction.install_set] + [text("-", one) for one in transaction.remove_set]


def is_for_this(system):
    """Whether there is what the system needs: the plugin for locks, which Debian has not beside zypper."""
    locks = os.path.join(system, "root/etc/dnf/plugins/versionlock.list")
    return not os.path.exists(locks) or bool(glob.glob("/usr/lib/python3/dist-packages/dnf-plugins/versionlock.py"))


def main():
    logging.disable(logging.CRITICAL)
    folder = os.path.realpath(sys.argv[1])
    for name in sorted(os.listdir(folder)):
        system = os.path.join(folder, name)
        if not is_for_this(system):
            continue
        base = opened(system)
        with open(os.path.join(system, "questions"), encoding="utf-8") as questions:
            asked = [line.rstrip("\n").split("\t") for line in questions]
        with open(os.path.join(system, "answers.dnf4"), "w", encoding="utf-8") as answers:
            for question, words in asked:
                answers.write(f"{question}\t{' '.join(sorted(answer(base, words.split())))}\n")
        if base.conf.plugins:
            base.unload_plugins()
        base.close()
        shutil.rmtree(os.path.join(system, "dnf4"))


main()
