# shellcheck shell=bash
# An image without a database, as Azure Linux makes distroless ones: two lists of packages in place of it. The right is
# what the real dnf makes of the same image with its database, which is taken away then, and the lists that the real rpm
# prints of it. Sourced by `run`, which sets what is used here.
# shellcheck disable=SC2154

readonly lists_of_packages=var/lib/rpmmanifest

# ROOT DATABASE: writes the lists of a root file system, as the real rpm prints them of the database of another one.
write_lists() {
    local format='%{NAME}\t%{VERSION}-%{RELEASE}\t%{INSTALLTIME}\t%{BUILDTIME}\t%{VENDOR}\t(none)\t%{SIZE}\t%{ARCH}'
    mkdir -p "$1/$lists_of_packages"
    "${real[@]}" rpm --root "$2" -qa > "$1/$lists_of_packages/container-manifest-1"
    "${real[@]}" rpm --root "$2" -qa --qf "$format\t%{EPOCHNUM}\t%{SOURCERPM}\n" \
        > "$1/$lists_of_packages/container-manifest-2"
}

# ROOT: takes away what no distroless image has: the database, the package manager's own files.
without_database() {
    rm -rf "$1"/var/lib/{rpm,dnf} "$1"/var/cache/dnf "$1"/var/log/{dnf*,hawkey.log}
}

# ROOT: takes away what images drop, too: documentation, manuals, languages, and more of some packages.
drop() {
    rm -rf "$1"/usr/share/{doc,man,locale,info,zoneinfo,own-new,own-split} "$1"/usr/bin/{tar,openssl}
}

# What the real dnf makes of the image with its database, which goes then; into $out/want. ARGUMENT...: dnf's.
upgrade_for_distroless() {
    rm -rf "$out/dnf" "$out/want"
    cp -a "$image/root" "$out/dnf"
    started=$(date +%s)
    # (tdnf takes nothing that is recommended.)
    with_null_device "$out/dnf" "${real[@]}" dnf --assumeyes --quiet --config "$HOME/dnf/dnf.conf" \
        --installroot "$out/dnf" --releasever 1 --setopt=install_weak_deps=0 "$@" upgrade > "$out/dnf.log" 2>&1 ||
        { cat "$out/dnf.log"; return 1; }
    cp -a "$out/dnf" "$out/want"
    write_lists "$out/want" "$out/dnf"
    without_database "$out/want"
}

# ROOT SETTING...: an image of it, which imgfix repairs; into $out/repaired. SETTING: of the repositories.
repair_distroless() {
    tar --create --file "$out/root.tar" --directory "$1" --numeric-owner --xattrs --xattrs-include='*' --sort=name .
    "$here/../differential/layout.py" "$out/root.tar" "$out/layout" "$name" amd64 "$SOURCE_DATE_EPOCH"
    rm -rf "$out/root.tar" "$out/repaired" "$out/cache"
    "$imgfix" repair --quiet "oci:$out/layout:$name" --cache-dir "$out/cache" \
        --repository "[gpgkey=$packages/key.asc repo_gpgcheck=1 ${*:2}] $server/first/" \
        --repository "[gpgkey=$packages/key.asc repo_gpgcheck=1 ${*:2}] $server/next/" \
        --report-file "$out/report.json" > "$out/report.txt" || return 1
    umoci unpack --image "$out/layout:${name}_fix" "$out/bundle" > /dev/null
    mv "$out/bundle/rootfs" "$out/repaired"
    rm -rf "$out/bundle" "$out/layout"
}

# WHAT: the repaired tree against the upgraded one, and their lists byte for byte.
compare_distroless() {
    local failed=0 list differences=$out/differences-$1.txt
    say "$name: compare $1 (imgfix | dnf)"
    "$here/../differential/compare.py" --show 100000 --since "$started" --exceptions "$here/exceptions.txt" \
        --database "$lists_of_packages/container-manifest-2" "$out/repaired" "$out/want" > "$differences" || failed=1
    head -60 "$differences"
    for list in container-manifest-1 container-manifest-2; do
        diff "$out/repaired/$lists_of_packages/$list" "$out/want/$lists_of_packages/$list" | head -40 || failed=1
    done
    printf '== %s, %s: %d of %d lines of the list are new, %s: %s\n' "$name" "$1" \
        "$(diff "$out/image/$lists_of_packages/container-manifest-2" \
            "$out/repaired/$lists_of_packages/container-manifest-2" | grep -c '^>')" \
        "$(wc -l < "$out/repaired/$lists_of_packages/container-manifest-2")" \
        "$(sed -n 's/.* and \(.* paths\) compared$/\1/p' "$differences")" "$(tail -1 "$differences" | xargs)" \
        >> "$summary"
    return "$failed"
}

one_distroless() {
    local failed=0 started
    rpm_settings "$work/home-sqlite" /var/lib/rpm sqlite
    say "$name: image"
    names | WHOLE=1 "$here/image" "$image" "$packages" "$name"
    rm -rf "$image/layout" "$out"
    mkdir -p "$out"
    cp -a "$image/root" "$out/image"
    write_lists "$out/image" "$image/root"
    without_database "$out/image"

    dnf_settings "$packages" first next
    # Packages that stay, with their triggers, and files that they share with others.
    say "$name: dnf upgrade, and repair, of some"
    upgrade_for_distroless --exclude='own-triggers,own-split*'
    repair_distroless "$out/image" 'exclude=own-triggers,own-split*' || { tail -40 "$out/report.txt"; return 1; }
    compare_distroless some || failed=1

    say "$name: dnf upgrade, and repair"
    upgrade_for_distroless
    repair_distroless "$out/image" || { tail -40 "$out/report.txt"; return 1; }
    compare_distroless whole || failed=1

    say "$name: repair of one with less"
    drop "$out/image"
    drop "$out/want"
    repair_distroless "$out/image" || { tail -40 "$out/report.txt"; return 1; }
    compare_distroless dropped || failed=1
    [ -n "${KEEP:-}" ] || rm -rf "$out" "$image"
    return "$failed"
}
