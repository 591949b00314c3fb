# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share: which commit, where results lie, which tools in which version. Sourced; it
# changes to the root of the checkout.
#
# In:  CARGO_HOME; SOURCE_DATE_EPOCH (default: the commit's time).
# Out: root, build, version, epoch, out (results), tools (programs installed here), machine;
#      SOURCE_DATE_EPOCH, RUSTFLAGS and CFLAGS exported.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
root=$PWD
build=$root/target
tools=$build/release-tools
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
out=$build/shipped/$version
# The name of the machine's kind in Rust's targets: x86_64, aarch64.
machine=$(uname -m)
export PATH=$tools/bin:$PATH

# Times in archives are the commit's, so that one commit gives the same bytes at any time and in any checkout.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH=$epoch TZ=UTC0 LC_ALL=C.UTF-8
umask 022

# Paths of this machine do not go into the binary.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="--remap-path-prefix=$root=/imgfix --remap-path-prefix=$cargo_home=/cargo"
export CFLAGS="-ffile-prefix-map=$root=/imgfix -ffile-prefix-map=$cargo_home=/cargo"
export CARGO_TARGET_DIR=$build CARGO_TERM_COLOR=never

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Prints the text between the first line and the first that is no comment.
usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# A registry that is busy for a moment is no reason to start a release again.
patiently() {
    local try
    for try in 1 2 3; do
        ! "$@" || return 0
        sleep "$((try * 10))"
    done
    "$@"
}

# cargo_tool NAME VERSION: a program of crates.io in this version, from PATH or compiled. Which version there is stands
# in cargo's own list: not every program says it.
cargo_tool() {
    local there
    there=$(command -v "$1" || true)
    if [ -z "$there" ] || ! grep -qF "\"$1 $2 " "$(dirname "$there")/../.crates.toml" 2> /dev/null; then
        echo "installing $1 $2" >&2
        patiently env -u RUSTFLAGS -u CFLAGS CARGO_PROFILE_DEV_DEBUG=false CARGO_TARGET_DIR="$tools/target" \
            cargo install --quiet --locked --debug --force --root "$tools" "$1@$2"
    fi
}

# Debian's name of a kind of machine, as Rust's targets begin with it.
debian_architecture() {
    case $1 in
        x86_64*) echo amd64 ;;
        aarch64*) echo arm64 ;;
        *) fail "unknown kind of machine: $1" ;;
    esac
}

# debian_archives ARCHITECTURE DIR NAME...: packages of the machine's own distribution as files, for whatever kind of
# machine; apt verifies them, and nothing is installed.
debian_archives() {
    local architecture=$1 dir=$2 apt
    shift 2
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    : > "$dir/status"
    apt=(-qq -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture" -o "Dir::State::Lists=$dir/lists"
        -o "Dir::State::Status=$dir/status" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User=root)
    patiently apt-get "${apt[@]}" update
    rm -f "$dir"/*.deb
    (cd "$dir" && patiently apt-get "${apt[@]}" download "$@")
}

# debian_package NAME...: Debian's packages that are not on this machine yet are installed; without root they are named.
debian_package() {
    local missing=() name
    for name; do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2> /dev/null | grep -qx installed || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "install Debian's packages ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    patiently apt-get -qq update
    patiently apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" > /dev/null
}
