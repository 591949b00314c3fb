"""Packages of our own, for what Alpine's in a minimal root file system do not have: scripts of every action that tell
when and how they ran, triggers, hard links, capabilities, a package that takes another's place, one that is held.
"""
import struct

from apkfile import ACTIONS, Package, directory, file, hard_link, symlink

FIRST, NEXT = 1_600_000_000, 1_700_000_000

# Tells the action, the arguments, the directory, and what is on disk at that moment.
SCRIPT = """#!/bin/sh
# {name} {action} of {version}
{{
\techo "{name}-{version} {action} ${{0##*/}} [$*] in $(pwd)"
\tfor path in usr/share/own usr/share/own/*; do
\t\tif [ -L "$path" ]; then
\t\t\techo "  $path -> $(readlink "$path")"
\t\telif [ -f "$path" ]; then
\t\t\techo "  $path: $(head -n 1 "$path")"
\t\telif [ -e "$path" ]; then
\t\t\techo "  $path/"
\t\tfi
\tdone
}} >> var/log/own-scripts
exit 0
"""


def capability(bits):
    """The value of security.capability, revision 2, permitted and effective."""
    return struct.pack("<IIIII", 0x02000001, bits, 0, 0, 0)


def with_scripts(package, actions=ACTIONS):
    name, version = package.fields["pkgname"], package.fields["pkgver"]
    for action in actions:
        package.scripts[action] = SCRIPT.format(name=name, version=version, action=action).encode()
    return package


def tool(version, time, depends):
    package = with_scripts(Package("own-tool", version, time, depend=["/bin/sh", *depends], provides=[
        f"cmd:own-tool={version}"], triggers=["/usr/share/own", "/usr/share/own/*", "/usr/lib/own-*"]))
    package.add("usr/bin/own-tool", file(f"#!/bin/sh\necho {version}\n", time, 0o755))
    package.add("usr/bin/own-name", hard_link("usr/bin/own-tool", package.entries["usr/bin/own-tool"]))
    package.add("usr/bin/own-suid", file(f"suid {version}\n", time, 0o4755))
    package.add("usr/bin/own-sgid", file(f"sgid {version}\n", time, 0o2755, (0, 42)))
    package.add("usr/share/own/same.txt", file("the same\n", time))
    package.add("usr/share/own/changed.txt", file(f"{version}\n", time))
    package.add("usr/share/own/empty", file("", time))
    for name in ("untouched", "touched", "deleted"):
        package.add(f"etc/own/{name}.conf", file(f"{name} {version}\n", time))
    package.add("etc/own/same.conf", file("the same\n", time))
    return package


def first():
    """What the image gets before it is repaired."""
    package = tool("1.0-r0", FIRST, ["own-library", "so:libown.so.1"])
    package.add("usr/share/own/removed.txt", file("removed\n", FIRST))
    package.add("usr/share/own/old/moved.txt", file("moved\n", FIRST))
    package.add("usr/share/own/file-then-link", file("a file\n", FIRST))
    package.add("usr/share/own/link-then-file", symlink("same.txt", FIRST))
    package.add("usr/share/own/mode", directory(FIRST, 0o755))
    for name in ("removed-untouched", "removed-touched"):
        package.add(f"etc/own/{name}.conf", file(f"{name}\n", FIRST))
    library = Package("own-library", "1.0-r0", FIRST, provides=["so:libown.so.1=1.0"])
    library.add("usr/lib/libown.so.1", file("library 1\n", FIRST, 0o755))
    return [package, library, *old(), user("1.0-r0", FIRST, "own-old"), *pair("1.0-r0", FIRST, "own-a"),
            capable("1.0-r0", FIRST), held("1.0-r0", FIRST)]


def old():
    """Packages that the upgrade takes away: one that another takes the place of, what only that one needs, what was
    there for the sake of it, and what only an old version needs, which has no scripts (for images without a shell)."""
    old = with_scripts(Package("own-old", "1.0-r0", FIRST, depend=["/bin/sh", "own-orphan"], triggers=[
        "/usr/share/own-old", "/usr/share/own-orphan"]))
    old.add("usr/share/own-old/taken", file("of own-old\n", FIRST))
    old.add("usr/share/own-old/only", file("of own-old\n", FIRST))
    for name in ("untouched", "touched", "deleted"):
        old.add(f"etc/own-old/{name}.conf", file(f"{name}\n", FIRST))
    orphan = with_scripts(Package("own-orphan", "1.0-r0", FIRST, depend=["/bin/sh"]))
    orphan.add("usr/share/own-orphan/data", file("data\n", FIRST))
    orphan.add("usr/share/own/of-orphan", file("of own-orphan\n", FIRST))
    along = Package("own-along", "1.0-r0", FIRST, install_if=["own-old=1.0-r0"])
    along.add("usr/share/own-along/data", file("data\n", FIRST))
    part = Package("own-part", "1.0-r0", FIRST)
    part.add("usr/lib/own-part/shared/part", file("part\n", FIRST))
    part.add("etc/own-part.conf", file("part\n", FIRST))
    return [old, orphan, along, part]


def after():
    """Their newer versions, and new packages."""
    package = tool("1.1-r0", NEXT, ["so:libown.so.2", "own-dependency"])
    package.add("usr/share/own/added.txt", file("added\n", NEXT))
    package.add("usr/share/own/new/moved.txt", file("moved\n", NEXT))
    package.add("usr/share/own/file-then-link", symlink("same.txt", NEXT))
    package.add("usr/share/own/link-then-file", file("a file\n", NEXT))
    package.add("usr/share/own/mode", directory(NEXT, 0o2750, (0, 42)))
    library = Package("own-library", "1.1-r0", NEXT, provides=["so:libown.so.2=2.0"])
    library.add("usr/lib/libown.so.2", file("library 2\n", NEXT, 0o755))
    library.add("usr/lib/own-plugins/plugin", file("plugin\n", NEXT))
    dependency = with_scripts(Package("own-dependency", "1.0-r0", NEXT, depend=["/bin/sh"], triggers=[
        "/usr/share/own", "/usr/bin"]))
    dependency.add("usr/share/own-dependency/data", file("data\n", NEXT))
    joined = Package("own-joined", "1.0-r0", NEXT, arch="noarch", install_if=["own-dependency=1.0-r0", "own-tool"])
    joined.add("usr/share/own-joined/data", file("both are there\n", NEXT))
    return [package, library, dependency, joined, *pair("1.1-r0", NEXT, "own-b"), capable("1.1-r0", NEXT),
            held("1.1-r0", NEXT), *replaced()]


def replaced():
    """A newer version that wants a package that takes another's place."""
    new = with_scripts(Package("own-new", "2.0-r0", NEXT, depend=["/bin/sh", "!own-old"], replaces=["own-old"]))
    new.add("usr/share/own-old/taken", file("of own-new\n", NEXT))
    return [user("1.1-r0", NEXT, "own-new"), new]


def user(version, time, depends):
    package = Package("own-user", version, time, depend=[depends])
    package.add("usr/share/own-user/version", file(f"{version}\n", time))
    return package


def pair(version, time, owner):
    """Two packages that replace each other's file, and one of which hands a file over to the other."""
    packages = []
    for name, other, priority in (("own-a", "own-b", "10"), ("own-b", "own-a", "5")):
        package = Package(name, version, time, replaces=[other])
        package.fields["replaces_priority"] = priority
        package.add("usr/share/own-pair/contested", file(f"of {name} {version}\n", time))
        package.add(f"usr/share/own-pair/{name}", file(f"{version}\n", time))
        if name == owner:
            package.add("usr/share/own-pair/handed-over", file(f"of {name}\n", time))
        packages.append(package)
    return packages


def capable(version, time):
    """Owners, capabilities."""
    package = Package("own-capable", version, time, depend=["own-part"] if version == "1.0-r0" else [])
    bits = 0x400 if version == "1.0-r0" else 0x2000
    package.add("usr/bin/own-capable", file(f"{version}\n", time, 0o755, xattrs={"security.capability": capability(bits)}))
    package.add("usr/bin/own-kept", file("the same\n", time, 0o755, xattrs={"security.capability": capability(0x400)}))
    package.add("var/lib/own", directory(time, 0o750, (65534, 65534)))
    package.add("var/lib/own/state", file("state\n", time, 0o600, (1234, 4321)))
    return package


def held(version, time):
    package = Package("own-held", version, time)
    package.add("usr/share/own-held/version", file(f"{version}\n", time))
    return package
