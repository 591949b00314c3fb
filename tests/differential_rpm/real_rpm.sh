# shellcheck shell=bash
# A real rpm for a database in each format: sourced, runs nothing by itself. `work` is a folder of the caller's.

# tools_of SUITE: a root file system with the rpm of a release of Debian, made when it is not there (root, mmdebstrap). Its
# clock can be set: rpm 4.16 writes the clock's time.
tools_of() {
    # shellcheck disable=SC2154 # of the caller
    [ -d "$work/$1" ] || mmdebstrap --quiet --variant=minbase --include=rpm,python3-rpm,faketime "$1" "$work/$1" > /dev/null
}

# real_rpm FORMAT FOLDER PROGRAM ARGUMENT...: rpm or rpmdb of this machine on the database in FOLDER, or, as Debian 12
# builds its rpm without ndb, that of Debian 13, on a copy.
real_rpm() {
    local format=$1 folder=$2 program=$3
    shift 3
    if [ "$format" != ndb ]; then
        "$program" --dbpath "$folder" --define "_db_backend $format" "$@"
        return
    fi
    tools_of trixie
    rm -rf "$work/trixie/database"
    cp -r "$folder" "$work/trixie/database"
    chroot "$work/trixie" "$program" --dbpath /database --define '_db_backend ndb' "$@"
}
