#!/usr/bin/env python3
"""Makes a signed apt repository of packages rebuilt with newer versions.

usage: rebuild.py DEBS REPOSITORY GNUPGHOME [PACKAGE...]

In:  DEBS, a folder of .deb files, one version a package; GNUPGHOME with one secret key; PACKAGEs whose configuration
     files get a comment behind them.
Out: REPOSITORY with dists/own/{InRelease,main/binary-ARCH/Packages} and pool/, in which every package has `+own1`
     behind its version. Relations that name an exact version of another of these packages name the new one. The
     payload and the scripts are the original's bytes, but for those comments: only `control` is written anew.
"""
import datetime
import gzip
import hashlib
import io
import lzma
import os
import re
import subprocess
import sys
import tarfile

SUFFIX = "+own1"
RELATIONS = ("Depends", "Pre-Depends", "Breaks", "Conflicts", "Replaces", "Provides")


def ar_members(data):
    """(name, content) of an ar archive."""
    if data[:8] != b"!<arch>\n":
        sys.exit("not an ar archive")
    at = 8
    while at < len(data):
        header = data[at:at + 60]
        size = int(header[48:58])
        yield header[:16].decode().strip().rstrip("/"), data[at + 60:at + 60 + size]
        at += 60 + size + size % 2


def ar_archive(members):
    out = [b"!<arch>\n"]
    for name, content in members:
        out.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
        out.append(content + b"\n" * (len(content) % 2))
    return b"".join(out)


def plain(name, content):
    """A control member without its compression."""
    if name.endswith(".xz"):
        return lzma.decompress(content)
    if name.endswith(".gz"):
        return gzip.decompress(content)
    if name.endswith(".zst"):
        return subprocess.run(["zstd", "-dc"], input=content, stdout=subprocess.PIPE, check=True).stdout
    return content


class Package:
    """One .deb, its control file as (field, value) pairs."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.members = list(ar_members(file.read()))
        self.at = next(i for i, (name, _) in enumerate(self.members) if name.startswith("control.tar"))
        self.tar = plain(*self.members[self.at])
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as tar:
            member = next(m for m in tar if m.name.lstrip("./") == "control")
            text = tar.extractfile(member).read().decode()
        self.fields = re.findall(r"^(\S+?):[ \t]*(.*(?:\n[ \t].*)*)", text, re.MULTILINE)

    def field(self, name):
        return next((value for field, value in self.fields if field == name), "")

    def bump(self, versions):
        """Takes the next version, and asks for those of the others."""
        def exact(match):
            name, sign, version = match.group(1), match.group(2), match.group(3)
            newer = SUFFIX if versions.get(name.split(":")[0]) == version else ""
            return f"{name} ({sign} {version}{newer})"

        def value(field, text):
            if field == "Version":
                return text + SUFFIX
            if field in RELATIONS:
                return re.sub(r"([a-z0-9][a-z0-9+.:-]+) \((=|<=) ([^)]+)\)", exact, text)
            return text

        # A source without a version of its own has the binary's: it stays what it was.
        self.fields = [(field, value(field, text)) for field, text in self.fields]

    def control_file(self, name):
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as tar:
            member = next((m for m in tar if m.name.lstrip("./") == name), None)
            return tar.extractfile(member).read().decode() if member else ""

    def change_conffiles(self):
        """Adds a comment to every configuration file."""
        conffiles = {path.lstrip("/") for path in self.control_file("conffiles").split("\n") if path.startswith("/")}
        at = next(i for i, (name, _) in enumerate(self.members) if name.startswith("data.tar"))
        data, out = plain(*self.members[at]), io.BytesIO()
        with tarfile.open(fileobj=io.BytesIO(data)) as old, \
                tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as new:
            for member in old:
                content = old.extractfile(member).read() if member.isreg() else None
                if content is not None and member.name.removeprefix("./") in conffiles:
                    content += b"# rebuilt\n"
                    member.size = len(content)
                new.addfile(member, io.BytesIO(content) if content is not None else None)
        self.members[at] = ("data.tar.gz", gzip.compress(out.getvalue(), 1, mtime=0))

    def control(self):
        return "".join(f"{field}: {value}\n" for field, value in self.fields)

    def archive(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=io.BytesIO(self.tar)) as old, \
                tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as new:
            for member in old:
                content = old.extractfile(member).read() if member.isreg() else None
                if member.name.lstrip("./") == "control":
                    content = self.control().encode()
                    member.size = len(content)
                new.addfile(member, io.BytesIO(content) if content is not None else None)
        members = list(self.members)
        members[self.at] = ("control.tar.gz", gzip.compress(out.getvalue(), 1, mtime=0))
        return ar_archive(members)


def store(package, repository):
    """Writes the archive and returns its stanza."""
    data = package.archive()
    version = package.field("Version").split(":")[-1]
    name = f"pool/{package.field('Package')}_{version}_{package.field('Architecture')}.deb"
    with open(os.path.join(repository, name), "wb") as file:
        file.write(data)
    digest = hashlib.sha256(data).hexdigest()
    return f"{package.control()}Filename: {name}\nSize: {len(data)}\nSHA256: {digest}\n"


def release(folder, architecture, home):
    path = f"main/binary-{architecture}/Packages"
    with open(os.path.join(folder, path), "rb") as file:
        data = file.read()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S UTC")
    text = (f"Origin: own\nLabel: own\nSuite: own\nCodename: own\nDate: {now}\nArchitectures: {architecture}\n"
            f"Components: main\nDescription: rebuilt packages\nSHA256:\n"
            f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n")
    with open(os.path.join(folder, "InRelease"), "wb") as file:
        subprocess.run(["gpg", "--homedir", home, "--batch", "--quiet", "--clearsign", "--digest-algo", "SHA512"],
                       input=text.encode(), stdout=file, check=True)


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    debs, repository, home, *changed = sys.argv[1:]
    names = sorted(name for name in os.listdir(debs) if name.endswith(".deb"))
    packages = [Package(os.path.join(debs, name)) for name in names]
    versions = {package.field("Package"): package.field("Version") for package in packages}
    architectures = {package.field("Architecture") for package in packages} - {"all"}
    if len(architectures) != 1:
        sys.exit(f"rebuild.py: want packages of one architecture, not {sorted(architectures)}")
    architecture = architectures.pop()
    folder = os.path.join(repository, "dists/own")
    os.makedirs(os.path.join(folder, f"main/binary-{architecture}"))
    os.makedirs(os.path.join(repository, "pool"))
    unknown = set(changed) - versions.keys()
    if unknown:
        sys.exit(f"rebuild.py: no archive of {', '.join(sorted(unknown))}")
    for package in packages:
        package.bump(versions)
        if package.field("Package") in changed:
            package.change_conffiles()
    with open(os.path.join(folder, f"main/binary-{architecture}/Packages"), "w", encoding="utf-8") as file:
        file.write("\n".join(store(package, repository) for package in packages))
    release(folder, architecture, home)
    print(f"{len(packages)} packages rebuilt")


if __name__ == "__main__":
    main()
