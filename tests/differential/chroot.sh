# Running things in a root file system as a container build does. Sourced by `run` and `checks`.

# A chroot needs names resolved; what was there comes back.
with_network() {
    local root=$1 file kept status=0
    shift
    kept=$(mktemp -d)
    for file in resolv.conf hosts; do
        ! [ -e "$root/etc/$file" ] && ! [ -L "$root/etc/$file" ] || mv "$root/etc/$file" "$kept/$file"
        cp "/etc/$file" "$root/etc/$file"
    done
    NETWORK=yes "$@" || status=$?
    for file in resolv.conf hosts; do
        rm -f "$root/etc/$file"
        ! [ -e "$kept/$file" ] && ! [ -L "$kept/$file" ] || mv "$kept/$file" "$root/etc/$file"
    done
    rmdir "$kept"
    return "$status"
}

# A command in ROOT, in namespaces of its own: /proc is there, because container builds have it (java and python want
# it), but with the command's own processes only, because scripts must not see this machine's. No /sys, no /run of a
# running system, and a network only below with_network. OWN_REPOSITORY is at /own-repository, when set.
in_root() {
    local root=$1
    local -a spaces=(--mount --pid --fork --uts --ipc)
    shift
    [ -n "${NETWORK:-}" ] || spaces+=(--net)
    ROOT=$root unshare "${spaces[@]}" sh -c '
        set -e
        mount -t proc proc "$ROOT/proc"
        if [ -n "${OWN_REPOSITORY:-}" ]; then
            mkdir "$ROOT/own-repository"
            mount --bind "$OWN_REPOSITORY" "$ROOT/own-repository"
        fi
        status=0
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive chroot "$ROOT" "$@" || status=$?
        if [ -n "${OWN_REPOSITORY:-}" ]; then
            umount "$ROOT/own-repository"
            rmdir "$ROOT/own-repository"
        fi
        exit "$status"' sh "$@"
}
