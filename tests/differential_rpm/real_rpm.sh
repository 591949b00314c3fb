# shellcheck shell=bash
# A real rpm for a database in each format: sourced, runs nothing by itself. `work` is a folder of the caller's.

# real_rpm FORMAT FOLDER PROGRAM ARGUMENT...: rpm or rpmdb of this machine on the database in FOLDER, or, as Debian 12
# builds its rpm without ndb, that of Debian 13 in a root file system of its own (root, mmdebstrap), on a copy.
real_rpm() {
    local format=$1 folder=$2 program=$3
    shift 3
    if [ "$format" != ndb ]; then
        "$program" --dbpath "$folder" --define "_db_backend $format" "$@"
        return
    fi
    # shellcheck disable=SC2154 # of the caller
    if [ ! -d "$work/trixie" ]; then
        mmdebstrap --quiet --variant=minbase --include=rpm trixie "$work/trixie" > /dev/null
    fi
    rm -rf "$work/trixie/database"
    cp -r "$folder" "$work/trixie/database"
    chroot "$work/trixie" "$program" --dbpath /database --define '_db_backend ndb' "$@"
}
