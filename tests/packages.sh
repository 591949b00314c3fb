# shellcheck shell=bash
# For scripts that need Debian's packages: sourced, runs nothing by itself.

# A mirror that is busy for a moment is no verdict on the change.
patiently() {
    local try
    for try in 1 2 3 4; do
        ! "$@" || return 0
        sleep "$((try * 10))"
    done
    "$@"
}

# PACKAGE...: installed, as root; else the command that does it is said, and the exit code is 1.
install_packages() {
    local missing
    command -v dpkg-query > /dev/null || {
        printf 'no dpkg here: the programs of these packages of Debian have to be there: %s\n' "$*" >&2
        return 0
    }
    missing=$(comm -23 <(printf '%s\n' "$@" | sort -u) \
        <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' | sed -n 's/ installed$//p' | sort -u))
    [ -n "$missing" ] || return 0
    missing=${missing//$'\n'/ }
    if [ "$(id -u)" != 0 ]; then
        printf 'packages are missing. Install them, then call this again:\n    sudo apt-get install %s\n' "$missing" >&2
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    patiently apt-get -qq -o Acquire::Retries=3 update
    # shellcheck disable=SC2086 # one word a package
    patiently apt-get -qq -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 install --no-install-recommends $missing
}
