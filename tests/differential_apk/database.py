"""Packages as a root file system has them: its `installed` and `scripts.tar`, with the files themselves."""
import os
import re
import stat
import tarfile

import apkfile

# Letters of `installed` by what `.PKGINFO` calls them.
FIELDS = {"P": "pkgname", "V": "pkgver", "T": "pkgdesc", "U": "url", "t": "builddate", "A": "arch", "o": "origin",
          "c": "commit", "m": "maintainer", "L": "license", "q": "replaces_priority", "k": "provider_priority"}
LISTS = {"D": "depend", "p": "provides", "r": "replaces", "i": "install_if"}


def stanzas(root):
    with open(os.path.join(root, "lib/apk/db/installed"), encoding="utf-8") as database:
        for stanza in database.read().split("\n\n"):
            if stanza.strip():
                yield [(line[0], line[2:]) for line in stanza.strip("\n").split("\n")]


def entry(root, path, mtime):
    """The entry at a path of ROOT, with another modification time; None when it is missing."""
    full = os.path.join(root, path)
    try:
        info = os.lstat(full)
    except FileNotFoundError:
        return None
    owner = (info.st_uid, info.st_gid)
    if stat.S_ISLNK(info.st_mode):
        return apkfile.symlink(os.readlink(full), mtime)
    if stat.S_ISDIR(info.st_mode):
        return apkfile.directory(mtime, stat.S_IMODE(info.st_mode), owner)
    with open(full, "rb") as content:
        return apkfile.file(content.read(), mtime, stat.S_IMODE(info.st_mode), owner)


def scripts(root):
    """(package-version, action) -> text."""
    found = {}
    with tarfile.open(os.path.join(root, "lib/apk/db/scripts.tar")) as archive:
        for item in archive:
            package, action = re.fullmatch(r"(.+)\.Q1[^.]+\.([a-z-]+)", item.name).groups()
            found[package, action] = archive.extractfile(item).read()
    return found


def triggers(root):
    """identity -> paths."""
    with open(os.path.join(root, "lib/apk/db/triggers"), encoding="utf-8") as database:
        return {line.split()[0]: line.split()[1:] for line in database if line.strip()}


def packages(root):
    """name -> the package that would be installed as ROOT has it. Its files get its build's time."""
    found, all_scripts, all_triggers = {}, scripts(root), triggers(root)
    for stanza in stanzas(root):
        fields = dict(reversed(stanza))
        package = apkfile.Package(fields["P"], fields["V"], fields["t"], fields["A"])
        package.fields.update({FIELDS[letter]: value for letter, value in stanza if letter in FIELDS})
        package.lists.update({LISTS[letter]: value.split() for letter, value in stanza if letter in LISTS})
        package.lists["triggers"] = all_triggers.get(fields["C"], [])
        for action in apkfile.ACTIONS:
            text = all_scripts.get((f"{fields['P']}-{fields['V']}", action))
            if text is not None:
                package.scripts[action] = text
        folder = ""
        for letter, value in stanza:
            if letter == "F":
                folder = value
            if letter in "FR":
                path = value if letter == "F" else f"{folder}/{value}"
                at = path and entry(root, path, package.builddate)
                if at:
                    package.add(path, at)
        found[fields["P"]] = package
    return found
