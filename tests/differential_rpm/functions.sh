# shellcheck shell=bash
# Lists of packages; the real rpm and dnf over a root file system, from outside, with scripts in a chroot. Sourced by
# `run`, `packages` and `image`, which set `here`.

# LIST...: lines `GENERATION NUMBER NAME DEB...` of what has to be built: first and next, but for a package that the
# list has in one of them only, or whose spec file's second line says so.
jobs_of() {
    local number=0 name first next only
    # shellcheck disable=SC2154 # set where this is sourced
    while read -r name first next; do
        number=$((number + 1))
        [ "$next" != = ] || next=$first
        if [ -n "$first" ]; then
            [ "$first" = - ] || echo "first $number $name ${first//,/ }"
            [ -z "$next" ] || echo "next $number $name ${next//,/ }"
            continue
        fi
        only=$(sed -n '2s/^%if %{generation} == //p' "$here/own/${name%.*}.spec")
        [ "$only" = 2 ] || echo "first $number $name"
        [ "$only" = 1 ] || echo "next $number $name"
    done < <(cat "${@/#/$here/lists/}" | grep -v '^#')
}

# The programs are this machine's, or, when TOOLS names a root file system, those in it: what is before a command. FILES
# is the folder that they see then.
real=(env)
if [ -n "${TOOLS:-}" ]; then
    # shellcheck disable=SC2016 # evaluated by that sh
    real=(unshare --mount sh -c '
        mkdir -p "$2$1"
        mount --bind "$1" "$2$1"
        mount -t proc proc "$2/proc"
        shift
        exec chroot "$@"' sh "$FILES" "$TOOLS")
fi

# What leaves files out, when LEAVING_OUT is not empty: rpm's macros, and settings of dnf.
leaving_out() {
    [ -n "${LEAVING_OUT:-}" ] || return 0
    case $1 in
        rpm) printf '%%_install_langs fr:en_US\n%%_netsharedpath /srv/net\n' ;;
        dnf) echo 'tsflags=nodocs' ;;
    esac
}

# HOME DIRECTORY FORMAT: rpm's settings, in a home that is made: where the image's database is, and in which format.
rpm_settings() {
    mkdir -p "$1"
    printf '%%_dbpath %s\n%%_db_backend %s\n' "$2" "$3" > "$1/.rpmmacros"
    leaving_out rpm >> "$1/.rpmmacros"
    export HOME=$1
}

# PACKAGES REPOSITORY...: settings of dnf with these repositories, of the folder that `packages` has made.
dnf_settings() {
    local made=$1 name
    shift
    rm -rf "$HOME/dnf"
    mkdir -p "$HOME/dnf"
    printf '[main]\nreposdir=%s\nplugins=0\nmetadata_expire=0\n' "$HOME/dnf" > "$HOME/dnf/dnf.conf"
    leaving_out dnf >> "$HOME/dnf/dnf.conf"
    for name; do
        printf '[%s]\nname=%s\nbaseurl=file://%s\ngpgkey=file://%s\ngpgcheck=1\nrepo_gpgcheck=1\n' \
            "$name" "$name" "$made/repositories/$name" "$made/key.asc"
    done > "$HOME/dnf/own.repo"
}

# ROOT COMMAND...: with a device that containers have and the image does not.
with_null_device() {
    local root=$1 status=0
    shift
    mkdir -p "$root/dev"
    mknod -m 666 "$root/dev/null" c 1 3
    "$@" || status=$?
    rm "$root/dev/null"
    return "$status"
}

# ROOT ARGUMENT...
dnf_in() {
    "${real[@]}" dnf --assumeyes --quiet --config "$HOME/dnf/dnf.conf" --installroot "$1" --releasever 1 "${@:2}"
}
