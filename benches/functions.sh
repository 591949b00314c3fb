# shellcheck shell=bash
# What the benchmarks share: a folder to work in, whole processes measured, ratios. Sourced by scripts that set `root`;
# `prepare` sets `work` and `imgfix`, and what is temporary is removed at the end.
# shellcheck disable=SC2034,SC2154 # used and set where this is sourced

# WORK is kept and used again, a temporary folder is not. IMGFIX is the program; a release build when it is unset.
prepare() {
    temporary=
    if [ -z "${IMGFIX:-}" ]; then
        cargo build --quiet --release --locked --manifest-path "$root/Cargo.toml"
        IMGFIX=$root/target/release/imgfix
    fi
    imgfix=$(realpath "$IMGFIX")
    if [ -n "${WORK:-}" ]; then
        mkdir -p "$WORK"
        work=$(realpath "$WORK")
    else
        # (buildah takes no capital letters in the name of a layout.)
        work=${TMPDIR:-/tmp}/imgfix-bench.$$
        mkdir "$work"
        temporary=$work
    fi
    trap clean EXIT
}

clean() {
    [ -z "${server_process:-}" ] || kill "$server_process"
    [ -z "$temporary" ] || rm -rf "$temporary"
}

# NAME COMMAND...: runs it, and appends `NAME wall user+sys peak-KiB` to the rounds. Peak is of the largest single
# process.
measure() {
    local name=$1
    shift
    /usr/bin/time --quiet -o "$work/time" -f '%e %U %S %M' "$@" > "$work/$name.log" 2>&1 ||
        { tail -20 "$work/$name.log" >&2; return 1; }
    awk -v name="$name" '{ printf "%s\t%.2f\t%.2f\t%d\n", name, $1, $2 + $3, $4 }' "$work/time" |
        tee -a "$work/rounds.tsv"
}

buildah_here() {
    buildah --root "$work/buildah" --runroot "$work/buildah-run" --storage-driver vfs "$@"
}

# TEXT OURS THEIRS: the medians of two names of the rounds, and how many times the first is in the second.
ratio() {
    awk -F '\t' -v text="$1" -v ours="$2" -v theirs="$3" '
        { n[$1]++; for (f = 2; f <= 4; f++) v[$1, f, n[$1]] = $f }
        function median(name, f,    i, j, t, a) {
            for (i = 1; i <= n[name]; i++) a[i] = v[name, f, i]
            for (i = 2; i <= n[name]; i++) for (j = i; j > 1 && a[j - 1] > a[j]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
            return a[int((n[name] + 1) / 2)]
        }
        function part(of) { return median(ours, of) == 0 ? "nothing" : sprintf("1/%.1f", median(theirs, of) / median(ours, of)) }
        END {
            printf "%-8s wall %6.2f s / %6.2f s = %s   cpu %6.2f s / %6.2f s = %s   peak %d MB / %d MB\n", text,
                median(ours, 2), median(theirs, 2), part(2), median(ours, 3), median(theirs, 3), part(3),
                median(ours, 4) / 1024, median(theirs, 4) / 1024
        }' "$work/rounds.tsv"
}
