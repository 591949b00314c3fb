"""What the real `packaging` answers about random specifiers, requirements, markers and tags.

usage: answers.py COUNT [SEED] > FILE

In:  the module `packaging` of the interpreter; COUNT of each kind.
Out: lines of fields with tabs between, for `real_packaging.rs` in src/python: the kind, what was asked, the answer
     (`x`: it is refused).
"""

import random
import sys

from packaging import _manylinux, _musllinux, tags
from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
dice = random.Random(seed)

ENVIRONMENT = {
    "python_version": "3.11", "python_full_version": "3.11.7", "implementation_version": "3.11.7", "os_name": "posix",
    "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64",
    "platform_python_implementation": "CPython", "implementation_name": "cpython", "platform_release": "6.1.0",
    "platform_version": "#1 SMP",
}


def number():
    return dice.choice("0011123456")


def version(suffixes=True):
    text = dice.choice(["", "", "", "", "1!"]) + ".".join(number() for _ in range(dice.randint(1, 4)))
    if suffixes:
        text += dice.choice(["", "", "", "a1", "b2", "rc1", "c1", "-alpha.1"])
        text += dice.choice(["", "", "", ".post1", "-1", ".post0"])
        text += dice.choice(["", "", "", ".dev0", ".dev2"])
        text += dice.choice(["", "", "", "", "+local", "+1.a", "+A-1"])
    return text


def clause():
    sign = dice.choice(["==", "!=", "~=", "<=", ">=", "<", ">", "==="])
    text = version(dice.random() < 0.6)
    if dice.random() < 0.25 and sign in ("==", "!="):
        text += ".*"
    return sign + dice.choice(["", " "]) + text


def specifiers():
    return ",".join(clause() for _ in range(dice.choice([1, 1, 1, 2, 3])))


def atom():
    key = dice.choice(list(ENVIRONMENT)[:-2] + ["extra", "extra"])
    if key == "extra":
        sign, value = dice.choice(["==", "!="]), dice.choice(["socks", "Socks", "a_b", "A.b", "test"])
    elif "version" in key:
        sign = dice.choice(["==", "!=", "<", ">", "<=", ">=", "~=", "in", "not in"])
        value = dice.choice(["3.11", "3.11.7", "3.8", "3.12", "3.11.*", "3", "3.11.0", "2.7 3.11", "3.11.7rc1", "x"])
    else:
        sign = dice.choice(["==", "!=", "in", "not in", "<", ">="])
        value = dice.choice([ENVIRONMENT[key], "win32", "linux darwin", "x86_64 amd64", "PyPy", ""])
    quote = dice.choice("'\"")
    sides = [key, quote + value + quote]
    if dice.random() < 0.15:
        sides.reverse()
    return f" {sign} ".join(sides)


def marker(depth=0):
    parts = [f"({marker(depth + 1)})" if dice.random() < 0.25 and depth < 3 else atom() for _ in range(dice.randint(1, 3))]
    text = parts[0]
    for part in parts[1:]:
        text += dice.choice([" and ", " or "]) + part
    return text


def requirement():
    text = dice.choice(["requests", "zope.interface", "A-b_c", "x1", "-bad", "a b"])
    text += dice.choice(["", "", "", "[socks]", "[a, B.c]", " [x]", "[]", "[a b]"])
    text += dice.choice(["", " "]) + dice.choice(["", specifiers(), f"({specifiers()})"])
    if dice.random() < 0.4:
        text += dice.choice([";", " ; "]) + marker()
    return text


def yes(value):
    return "y" if value else "n"


for _ in range(count):
    asked, about = specifiers(), version()
    try:
        # A version, as pip asks: `===` compares how it is written, and that is its normal form.
        answer = yes(SpecifierSet(asked).contains(Version(about), prereleases=True))
    except InvalidSpecifier:
        answer = "x"
    print("specifier", asked, about, answer, sep="\t")

for _ in range(count):
    asked, extra = marker(), dice.choice(["", "", "socks", "a-b"])
    try:
        answer = yes(Marker(asked).evaluate({**ENVIRONMENT, "extra": extra}))
    except (UndefinedComparison, UndefinedEnvironmentName):
        # What has no answer there may have any.
        continue
    print("marker", asked, extra, answer, sep="\t")

for _ in range(count):
    asked = requirement()
    try:
        found = Requirement(asked)
        extras = ",".join(sorted(found.extras)) or "-"
        parts = ",".join(sorted({str(one) for one in found.specifier})) or "-"
        answer = f"{found.name} {extras} {parts} {yes(found.marker)}"
    except InvalidRequirement:
        answer = "x"
    print("requirement", asked, answer, sep="\t")

for machine in ("x86_64", "aarch64", "i686", "ppc64le", "s390x", "armv7l"):
    for libc in ("glibc 2.17", "glibc 2.28", "glibc 2.36", "glibc 2.41", "musl 1.1", "musl 1.2"):
        for minor in (6, 7, 8, 11, 13):
            kind, text = libc.split()
            numbers = tuple(int(part) for part in text.split("."))
            platforms = []
            if kind == "glibc":
                _manylinux._get_glibc_version = lambda numbers=numbers: numbers
                _manylinux._is_compatible = lambda arch, version, numbers=numbers: version <= numbers
                _manylinux._have_compatible_abi = lambda executable, archs: True
                platforms += _manylinux.platform_tags([machine])
            else:
                found = _musllinux._MuslVersion(*numbers)
                _musllinux._get_musl_version = lambda executable, found=found: found
                platforms += _musllinux.platform_tags([machine])
            platforms.append(f"linux_{machine}")
            abi = f"cp3{minor}m" if minor < 8 else f"cp3{minor}"
            all_tags = [*tags.cpython_tags((3, minor), [abi], platforms),
                        *tags.compatible_tags((3, minor), f"cp3{minor}", platforms)]
            order = list(dict.fromkeys(str(tag) for tag in all_tags))
            print("tags", minor, machine, libc, " ".join(order), sep="\t")
