"""What is newer in the newer version of each of Alpine's packages: the changes that an upgrade has to get right.

Files below etc are protected: see `image` for which of them the user has changed, and what is expected of which.
"""
import re
import tarfile

import apkfile

MONTH = 30 * 86400


def newer(packages):
    """The next release of every package, in a list."""
    versions = {name: (package.fields["pkgver"], following(package.fields["pkgver"]))
                for name, package in packages.items()}
    for name, package in packages.items():
        release(package, versions[name])
    for change in (baselayout, busybox, musl_utils, scanelf, zlib, keys, bundle):
        change(packages)
    return list(packages.values())


def following(version):
    return re.sub(r"-r(\d+)$", lambda match: f"-r{int(match[1]) + 1}", version)


def release(package, versions):
    """A version and a build later; exact dependencies on packages of the same build follow."""
    before, after = versions
    package.fields["pkgver"] = after
    package.fields["builddate"] = str(package.builddate + MONTH)
    for name, values in package.lists.items():
        package.lists[name] = [re.sub(f"={re.escape(before)}$", f"={after}", value) for value in values]
    for entry in package.entries.values():
        entry.mtime = package.builddate


def changed(package, path, text="\n# changed in the newer version\n"):
    package.entries[path].data += text.encode()


def baselayout(packages):
    files = packages.get("alpine-baselayout-data", packages["alpine-baselayout"])
    # Changed here: untouched by the user, changed by the user, deleted by the user, changed by the user to the same.
    for path in ("etc/profile", "etc/hosts", "etc/fstab", "etc/modules"):
        changed(files, path)
    # Removed here: untouched by the user, changed by the user.
    for path in ("etc/sysctl.conf", "etc/inittab"):
        del files.entries[path]
    # New here, and already made by the user, otherwise and the same.
    files.add("etc/own-otherwise", apkfile.file("of the package\n", files.builddate))
    files.add("etc/own-same", apkfile.file("the same\n", files.builddate))
    files.add("etc/own-new", apkfile.file("of the package\n", files.builddate))
    files.entries["etc/mtab"].target = "/proc/self/mounts"
    folders = packages["alpine-baselayout"]
    folders.entries["var/empty"].mode = 0o750
    folders.entries["srv"].mode = 0o2775
    # Directories that go: an empty one, and one where the user has put a file.
    for path in ("opt", "media/usb", "media/floppy"):
        del folders.entries[path]
    folders.add("usr/lib/own/deep/file", apkfile.file("in new directories\n", folders.builddate))


def busybox(packages):
    package = packages["busybox"]
    changed(package, "usr/share/udhcpc/default.script")
    changed(package, "etc/network/if-up.d/dad")
    # Written into the image of the program: its applets stay what they are.
    package.entries["bin/busybox"].data += b"newer"


def musl_utils(packages):
    package = packages["musl-utils"]
    entries = package.entries
    changed(package, "usr/bin/ldd")
    entries["usr/bin/getconf"].mode = 0o700
    del entries["usr/bin/iconv"]
    package.add("usr/libexec/own/getent", entries.pop("usr/bin/getent"))
    package.add("usr/bin/getent", apkfile.symlink("../libexec/own/getent", package.builddate))
    package.add("usr/share/own-musl/added", apkfile.file("added\n", package.builddate))
    package.add("usr/bin/own-linked", apkfile.file("two names\n", package.builddate, 0o755))
    package.add("usr/libexec/own/linked", apkfile.hard_link("usr/bin/own-linked", entries["usr/bin/own-linked"]))


def scanelf(packages):
    package = packages["scanelf"]
    package.entries["usr/bin/scanelf"].mode = 0o4755
    package.lists["depend"].append("own-dependency>=1.0")


def zlib(packages):
    package = packages["zlib"]
    library = next(path for path, entry in package.entries.items()
                   if entry.kind == tarfile.REGTYPE and "libz.so.1." in path)
    package.add(library + ".9", package.entries.pop(library))
    link = library[:library.index("libz.so.1.")] + "libz.so.1"
    package.entries[link].target += ".9"


def keys(packages):
    """A file that another package has from now on."""
    package = packages["alpine-keys"]
    path = next(path for path in sorted(package.entries) if path.startswith("usr/share/apk/keys/alpine"))
    taken = apkfile.Package("own-keys", "1.0-r0", package.builddate, replaces=["alpine-keys"])
    taken.add(path, package.entries.pop(path))
    package.lists["depend"].append("own-keys")
    packages["own-keys"] = taken


def bundle(packages):
    """A file that two packages have, of which the one with the higher priority wins."""
    package = packages["ca-certificates-bundle"]
    package.lists["replaces"].append("own-bundle")
    package.fields["replaces_priority"] = "3"
    package.add("usr/share/own-bundle/low", apkfile.file("of priority 3\n", package.builddate))
    package.add("usr/share/own-bundle/both", apkfile.file("of priority 3\n", package.builddate))
    other = apkfile.Package("own-bundle", "1.0-r0", package.builddate, replaces=["ca-certificates-bundle"])
    other.fields["replaces_priority"] = "5"
    other.add("usr/share/own-bundle/both", apkfile.file("of priority 5\n", package.builddate))
    package.lists["depend"].append("own-bundle")
    packages["own-bundle"] = other
