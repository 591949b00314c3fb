//! The cases: what is installed first, what somebody changed, what is installed then.

use super::deb::Deb;
use super::root::Root;

pub struct Case {
    pub name: &'static str,
    pub prepare: fn(&Root),
    pub before: Vec<Deb>,
    pub edit: fn(&Root),
    pub after: Vec<Deb>,
    /// dpkg does not do it, and imgfix may not either.
    pub refused: bool,
}

fn case(name: &'static str, before: Vec<Deb>, after: Vec<Deb>) -> Case {
    Case { name, prepare: |_| {}, before, edit: |_| {}, after, refused: false }
}

pub fn files_added_removed_and_changed() -> Case {
    let v1 = Deb::new("a", "1")
        .file("/usr/share/a/same", "same")
        .file("/usr/share/a/changed", "old")
        .file("/usr/share/a/gone", "x")
        .file("/usr/share/a/sub/deep/gone", "x")
        .file("/usr/share/a/kept-dir/gone", "x")
        .program("/usr/bin/a", 0o4755, "old")
        .file("/usr/share/a/one", "linked")
        .hard_link("/usr/share/a/two", "/usr/share/a/one")
        .directory("/usr/share/a/mode", 0o755)
        .symlink("/usr/share/a/link", "same")
        .symlink("/usr/share/a/link-gone", "gone")
        .fifo("/usr/share/a/fifo")
        .file("/opt/a/only", "x");
    let v2 = Deb::new("a", "2")
        .file("/usr/share/a/same", "same")
        .file("/usr/share/a/changed", "new")
        .file("/usr/share/a/added/file", "y")
        .directory("/usr/share/a/kept-dir", 0o700)
        .program("/usr/bin/a", 0o2711, "new")
        .owned("/usr/bin/a", ("imgfix", 5), ("staff", 6))
        .file("/usr/share/a/unknown", "z")
        .owned("/usr/share/a/unknown", ("nobody-here", 1234), ("", 4321))
        .file("/usr/share/a/one", "linked 2")
        .hard_link("/usr/share/a/two", "/usr/share/a/one")
        .hard_link("/usr/share/a/a-third", "/usr/share/a/two")
        .directory("/usr/share/a/mode", 0o2770)
        .directory("/usr/share/a/new-mode", 0o1777)
        .symlink("/usr/share/a/link", "changed")
        .symlink("/usr/share/a/new-link", "../../../../nowhere")
        .fifo("/usr/share/a/fifo2")
        .without_md5sums();
    Case {
        edit: |root| {
            root.write("/usr/share/a/sub/mine", "not of the package");
            root.chmod("/usr/share/a/mode", 0o711);
            root.chown("/usr/share/a/mode", 5, 6);
            root.write("/usr/share/a/changed.dpkg-new", "left over");
            root.write("/usr/share/a/one.dpkg-tmp", "left over");
            root.remove("/usr/share/a/same");
        },
        ..case("files", vec![v1], vec![v2])
    }
}

pub fn merged_usr_paths() -> Case {
    let v1 = Deb::new("a", "1")
        .file("/lib/a/moved", "same file, other name")
        .file("/lib/a/libx.so.1.1", "1")
        .symlink("/lib/a/libx.so.1", "libx.so.1.1")
        .program("/bin/a", 0o755, "x")
        .program("/sbin/a-gone", 0o755, "x")
        .file("/usr/lib/b/moved-back", "x");
    let v2 = Deb::new("a", "2")
        .file("/usr/lib/a/moved", "same file, other name 2")
        .file("/lib/a/libx.so.1.2", "2")
        .symlink("/lib/a/libx.so.1", "libx.so.1.2")
        .program("/bin/a", 0o755, "y")
        .file("/lib/b/moved-back", "y")
        .symlink("/lib/b/abs", "/usr/lib/a");
    case("merged /usr", vec![v1], vec![v2])
}

pub fn directories_and_links_replace_each_other() -> Case {
    let v1 = Deb::new("a", "1")
        .file("/usr/share/a/dir-to-link/file", "x")
        .symlink("/usr/share/a/link-to-dir", "target")
        .file("/usr/share/a/target/file", "x")
        .file("/usr/share/a/file-to-dir", "x")
        .file("/usr/share/a/dir-to-file/in/it", "x")
        .symlink("/usr/share/a/link-to-file", "target/file")
        .file("/usr/share/a/file-to-link", "x")
        .symlink("/usr/share/a/same-dir", "target")
        .symlink("/usr/share/a/other-dir", "target")
        .directory("/usr/share/a/empty-to-link", 0o755)
        .directory("/usr/share/a/made-link", 0o755)
        .file("/usr/share/a/made-link/f", "1");
    let v2 = Deb::new("a", "2")
        .symlink("/usr/share/a/dir-to-link", "target")
        .file("/usr/share/a/link-to-dir/new", "y")
        .file("/usr/share/a/target/file", "y")
        .file("/usr/share/a/file-to-dir/now", "y")
        .file("/usr/share/a/dir-to-file", "y")
        .file("/usr/share/a/link-to-file", "y")
        .symlink("/usr/share/a/file-to-link", "target/file")
        .symlink("/usr/share/a/same-dir", "../a/target")
        .symlink("/usr/share/a/other-dir", "file-to-dir")
        .symlink("/usr/share/a/empty-to-link", "target")
        .directory("/usr/share/a/made-link", 0o700)
        .file("/usr/share/a/made-link/f", "2")
        .file("/usr/share/a/made-link/g", "2");
    Case {
        edit: |root| {
            root.rename("/usr/share/a/made-link", "/usr/share/elsewhere");
            root.link("/usr/share/a/made-link", "/usr/share/elsewhere");
        },
        ..case("directories and links", vec![v1], vec![v2])
    }
}

/// `/etc/STATE-SHIPPED`: what the image did with it, and what the package does.
const STATES: &[&str] = &["plain", "edited", "deleted", "as-new", "linked", "mode"];

pub fn conffiles_in_every_state() -> Case {
    let mut v1 = Deb::new("a", "1").file("/usr/share/a", "x");
    let mut v2 = Deb::new("a", "2").file("/usr/share/a", "y");
    for state in STATES {
        v1 = v1
            .conffile(&format!("/etc/{state}-same"), "same")
            .conffile(&format!("/etc/{state}-changed"), "old")
            .conffile(&format!("/etc/{state}-gone"), "old")
            .file(&format!("/etc/{state}-becomes"), "old");
        v2 = v2
            .conffile(&format!("/etc/{state}-same"), "same")
            .conffile(&format!("/etc/{state}-changed"), "new")
            .conffile(&format!("/etc/{state}-added"), "new")
            .conffile(&format!("/etc/{state}-becomes"), "new");
    }
    Case {
        edit: |root| {
            for shipped in ["same", "changed", "gone", "becomes"] {
                root.write(&format!("/etc/edited-{shipped}"), "mine");
                root.remove(&format!("/etc/deleted-{shipped}"));
                root.write(&format!("/etc/as-new-{shipped}"), "new");
                let linked = format!("/etc/linked-{shipped}");
                root.rename(&linked, &format!("/etc/real-{shipped}"));
                root.link(&linked, &format!("real-{shipped}"));
                root.chmod(&format!("/etc/mode-{shipped}"), 0o600);
                root.chown(&format!("/etc/mode-{shipped}"), 77, 78);
            }
            root.write("/etc/edited-added", "was here before");
            root.write("/etc/as-new-added", "new");
            root.write("/etc/edited-changed.dpkg-old", "from long ago");
            root.write("/etc/edited-changed.dpkg-dist", "from long ago");
            root.chmod("/etc/edited-changed", 0o640);
            root.chown("/etc/edited-changed", 0, 50);
        },
        ..case("conffiles", vec![v1], vec![v2])
    }
}

pub fn conffiles_go_away_and_come_back() -> Case {
    let v1 = Deb::new("a", "1")
        .conffile("/etc/a/one", "1")
        .conffile("/etc/a/two", "2")
        .conffile("/etc/a/three", "3")
        .conffile("/etc/a/deleted", "3")
        .conffile("/etc/a/was-obsolete", "w")
        .conffile("/etc/a/plain-removed", "p")
        .conffile("/etc/a/edited-removed", "e")
        .conffile("/etc/a/missing-removed", "m")
        .conffile("/etc/b/moves", "b")
        .conffile("/etc/a/becomes-file", "c");
    let v2 = Deb::new("a", "2")
        .conffile("/etc/a/three", "3")
        .conffile("/etc/a/was-obsolete", "w2")
        .conffile_line("remove-on-upgrade /etc/a/plain-removed")
        .conffile_line("remove-on-upgrade /etc/a/edited-removed")
        .conffile_line("remove-on-upgrade /etc/a/missing-removed")
        .conffile_line("remove-on-upgrade /etc/a/never-was")
        .file("/etc/a/becomes-file", "d")
        .file("/usr/share/a", "x");
    let c1 = Deb::new("c", "1").file("/usr/share/c", "x");
    let c2 = Deb::new("c", "2").fields("Replaces: a (<< 2)").conffile("/etc/b/moves", "b2");
    Case {
        edit: |root| {
            root.remove("/etc/a/deleted");
            root.write("/etc/a/edited-removed", "mine");
            root.remove("/etc/a/missing-removed");
            root.write("/etc/a/one", "mine");
            root.write("/etc/a/becomes-file", "mine");
            root.write("/etc/a/plain-removed.dpkg-dist", "x");
            let c = Deb::new("c", "1").file("/usr/share/c", "x");
            root.dpkg_install(&[without_one_conffile(), c], "between");
        },
        ..case("conffiles come and go", vec![v1, c1], vec![c2, v2])
    }
}

/// Between the versions: `/etc/a/was-obsolete` becomes obsolete here.
fn without_one_conffile() -> Deb {
    Deb::new("a", "1.5")
        .conffile("/etc/a/one", "1")
        .conffile("/etc/a/two", "2")
        .conffile("/etc/a/three", "3")
        .conffile("/etc/a/deleted", "3")
        .conffile("/etc/a/plain-removed", "p")
        .conffile("/etc/a/edited-removed", "e")
        .conffile("/etc/a/missing-removed", "m")
        .conffile("/etc/b/moves", "b")
        .conffile("/etc/a/becomes-file", "c")
}

pub fn conffile_answers_from_the_configuration() -> Case {
    Case {
        prepare: |root| {
            root.write("/etc/dpkg/dpkg.cfg.d/answers", "force-confnew\nforce-confmiss\n");
            root.write("/etc/dpkg/dpkg.cfg.d/ignored.bak", "force-confold\n");
        },
        ..conffiles_in_every_state()
    }
}

pub fn conffile_answers_that_contradict_each_other() -> Case {
    Case {
        prepare: |root| {
            root.write("/etc/dpkg/dpkg.cfg.d/answers", "force-confnew\nforce-confold\n");
            root.write("/etc/dpkg/dpkg.cfg.d/more", "force-confmiss\nno-force-confmiss\n");
        },
        ..conffiles_in_every_state()
    }
}

/// Every package here is replaced by one of another name. Something needs some of them.
pub fn packages_without_files_of_their_own_disappear() -> Case {
    const NAMES: [&str; 6] = ["gone", "needed", "either", "offers", "keeps", "again"];
    let files = |deb: Deb, name: &str| {
        deb.file(&format!("/usr/share/{name}/one"), name)
            .conffile(&format!("/etc/{name}"), name)
            .symlink(&format!("/usr/share/{name}/two"), "one")
    };
    let mut before: Vec<Deb> = NAMES
        .iter()
        .map(|name| {
            let script = format!("#!/bin/sh\nset -e\necho \"$@\" >> /told-{name}\n");
            let old = Deb::new(name, "1:1-1")
                .fields("Provides: virtual, own-name (= 3)\nSection: old\nPriority: extra")
                .member("postrm", &script)
                .member("triggers", "interest-noawait /usr/share/nobody\ninterest-noawait named\n");
            files(old, name)
        })
        .collect();
    before.push(Deb::new("wants-needed", "1").fields("Depends: needed"));
    before.push(Deb::new("wants-either", "1").fields("Depends: either | either-new (>= 2)"));
    before.push(Deb::new("wants-offers", "1").fields("Recommends: other-name (>= 3)"));
    before[3] = files(
        Deb::new("offers", "1")
            .fields("Provides: other-name (= 3)")
            .member("postrm", "#!/bin/sh\n"),
        "offers",
    );
    before[4] = files(Deb::new("keeps", "1").file("/usr/share/keeps/own", "x"), "keeps");
    let mut after: Vec<Deb> = NAMES
        .iter()
        .map(|name| {
            let new = Deb::new(&format!("{name}-new"), "0:2-1");
            files(new.fields(&format!("Replaces: {name}")), name)
        })
        .collect();
    // One comes back as an empty package that leads to the new one.
    after
        .push(Deb::new("again", "1:2-1").fields("Depends: again-new").file("/usr/share/doc/a", ""));
    case("disappear", before, after)
}

pub fn a_database_that_somebody_else_wrote() -> Case {
    Case {
        edit: |root| {
            let file = root.path("/var/lib/dpkg/status");
            let own = std::fs::read_to_string(&file).unwrap();
            let more = "Description: by hand\n two\nversion: 0:1\nStatus: Hold  ok  installed\n\
                        Package: Hand\nArchitecture: amd64\nMaintainer: m\npriority: Optional\n\
                        Depends: b(>=0:1)|c , d\nTag: x\nConffiles:\n /etc/hand 0123\n\n\
                        Package: left\nStatus: purge ok not-installed\nArchitecture: amd64\n\n\
                        Package: bare\nStatus: install ok not-installed\n\n\
                        Package: wanted\nStatus: install ok not-installed\nArchitecture: amd64\n\n\
                        Package: held\nStatus: hold ok not-installed\n\n\
                        Package: rest\nStatus: deinstall ok config-files\nArchitecture: amd64\n\
                        Version: 1\nMaintainer: m\nDescription: d\nConffiles:\n /etc/x 01 obsolete\n\
                        Config-Version: 0:1\nSection: net\n\n\
                        Package: m\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\
                        Multi-Arch: Same\nMaintainer: m\nDescription: d\nSection: one\n\n\
                        Package: m\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2\n\
                        Multi-Arch: same\nMaintainer: m\nDescription: e\nPriority: extra\n\n";
            root.write("/var/lib/dpkg/status", &format!("{own}{more}"));
        },
        ..case(
            "written by hand",
            vec![Deb::new("a", "1").file("/usr/share/a", "1")],
            vec![Deb::new("a", "2").file("/usr/share/a", "2")],
        )
    }
}

pub fn a_package_that_is_recorded_twice_is_refused() -> Case {
    Case {
        refused: true,
        edit: |root| {
            let own = std::fs::read_to_string(root.path("/var/lib/dpkg/status")).unwrap();
            let twice = "Package: a\nStatus: install ok installed\nArchitecture: amd64\n\
                         Version: 2\nMaintainer: m\nDescription: d\n\n";
            root.write("/var/lib/dpkg/status", &format!("{own}{twice}"));
        },
        ..case(
            "recorded twice",
            vec![Deb::new("a", "1").architecture("amd64").file("/usr/share/a", "1")],
            vec![Deb::new("b", "2").file("/usr/share/b", "2")],
        )
    }
}

pub fn diversions_and_overrides() -> Case {
    let v1 = Deb::new("a", "1")
        .program("/usr/bin/tool", 0o755, "1")
        .file("/usr/share/a/gone", "1")
        .conffile("/etc/diverted", "1")
        .program("/usr/bin/locked", 0o755, "1");
    let v2 = Deb::new("a", "2")
        .program("/usr/bin/tool", 0o755, "2")
        .conffile("/etc/diverted", "2")
        .program("/usr/bin/locked", 0o755, "2")
        .directory("/usr/share/overridden", 0o755)
        .symlink("/usr/share/link", "x");
    let diverter = Deb::new("d", "1").file("/usr/share/d", "x");
    let diverter2 = Deb::new("d", "2").program("/usr/bin/tool", 0o755, "of the diverter");
    Case {
        edit: |root| {
            for arguments in [
                &[
                    "dpkg-divert",
                    "--package",
                    "d",
                    "--rename",
                    "--divert",
                    "/usr/bin/tool.real",
                    "--add",
                    "/usr/bin/tool",
                ][..],
                &[
                    "dpkg-divert",
                    "--local",
                    "--rename",
                    "--divert",
                    "/usr/share/a/moved",
                    "--add",
                    "/usr/share/a/gone",
                ],
                &[
                    "dpkg-divert",
                    "--local",
                    "--rename",
                    "--divert",
                    "/etc/diverted.real",
                    "--add",
                    "/etc/diverted",
                ],
                &[
                    "dpkg-statoverride",
                    "--update",
                    "--add",
                    "imgfix",
                    "staff",
                    "4750",
                    "/usr/bin/locked",
                ],
                &[
                    "dpkg-statoverride",
                    "--force-statoverride-add",
                    "--add",
                    "#5",
                    "#6",
                    "0700",
                    "/usr/share/overridden",
                ],
                &[
                    "dpkg-statoverride",
                    "--force-statoverride-add",
                    "--add",
                    "#7",
                    "#8",
                    "0700",
                    "/usr/share/link",
                ],
            ] {
                root.run(arguments).unwrap();
            }
        },
        ..case("diversions and overrides", vec![v1, diverter], vec![v2, diverter2])
    }
}

pub fn excluded_paths() -> Case {
    let package = |version: &str| {
        Deb::new("a", version)
            .file("/usr/share/doc/a/changelog.gz", version)
            .file("/usr/share/doc/a/copyright", version)
            .file("/usr/share/doc/a/examples/one", version)
            .symlink("/usr/share/doc/a-link", "a")
            .file("/usr/share/man/man1/a.1.gz", version)
            .symlink("/usr/share/man/man1/b.1.gz", "a.1.gz")
            .hard_link("/usr/share/hard", "/usr/share/a/kept")
            .file("/usr/share/a/kept", version)
            .conffile("/etc/excluded", version)
            .file("/usr/share/locale/de/LC_MESSAGES/a.mo", version)
    };
    Case {
        edit: |root| {
            root.write(
                "/etc/dpkg/dpkg.cfg.d/docker",
                "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n\
                 path-exclude=/usr/share/man/*\npath-exclude /usr/share/locale/[a-z]*\n\
                 path-exclude /etc/excluded\npath-exclude /etc/never\n",
            );
        },
        ..case(
            "excluded paths",
            vec![package("1"), Deb::new("b", "1").file("/usr/share/doc/b/copyright", "1")],
            vec![
                package("2").conffile("/etc/never", "2").without_md5sums(),
                Deb::new("b", "2").file("/usr/share/doc/b/readme", "2"),
                Deb::new("n", "1").file("/usr/share/man/man5/n.gz", "1"),
            ],
        )
    }
}

pub fn replaced_files_change_hands() -> Case {
    let a1 = Deb::new("a", "1")
        .file("/usr/share/x/moves", "a")
        .file("/usr/share/x/stays", "a")
        .conffile("/etc/moves", "a");
    let b1 = Deb::new("b", "1").file("/usr/share/b", "b");
    let a2 = Deb::new("a", "2").file("/usr/share/x/stays", "a2");
    let b2 = Deb::new("b", "2")
        .fields("Replaces: a (<< 2)\nBreaks: a (<< 2)")
        .file("/usr/share/b", "b2")
        .file("/usr/share/x/moves", "b")
        .conffile("/etc/moves", "a");
    // Only the taking side is upgraded.
    let c1 = Deb::new("c", "1").file("/usr/share/c/one", "c").file("/usr/share/c/two", "c");
    let d2 = Deb::new("d", "2").fields("Replaces: c").file("/usr/share/c/one", "d");
    // The installed package replaces files of the one that is upgraded.
    let e1 = Deb::new("e", "1").file("/usr/share/e/one", "e");
    let f1 = Deb::new("f", "1").fields("Replaces: e").file("/usr/share/e/shared", "f");
    let e2 = Deb::new("e", "2").file("/usr/share/e/one", "e2").file("/usr/share/e/shared", "e2");
    // A directory that others list but that somebody removed.
    let g1 = Deb::new("g", "1").file("/usr/share/common/g", "g");
    let h1 = Deb::new("h", "1").file("/usr/share/common/h", "h");
    let h2 = Deb::new("h", "2").file("/usr/share/common/h", "h2");
    Case {
        edit: |root| root.remove("/usr/share/common"),
        ..case("files change hands", vec![a1, b1, c1, e1, f1, g1, h1], vec![a2, b2, d2, e2, h2])
    }
}

pub fn multi_arch_same_instances() -> Case {
    let library = |architecture: &str, version: &str| {
        Deb::new("libm", version)
            .architecture(architecture)
            .fields("Multi-Arch: same")
            .file(&format!("/usr/lib/{architecture}/libm.so"), version)
            .file("/usr/share/doc/libm/copyright", version)
            .conffile("/etc/libm.conf", version)
            .file(&format!("/usr/share/doc/libm/only-in-{version}"), version)
            .member("shlibs", version)
    };
    // A package that becomes Multi-Arch: same, one that stops, and one that becomes all.
    let becomes = |version: &str, field: &str| {
        Deb::new("becomes", version)
            .architecture("amd64")
            .fields(field)
            .file("/usr/share/becomes", version)
            .member("shlibs", "x")
    };
    let stops = |version: &str, field: &str| {
        Deb::new("stops", version)
            .architecture("amd64")
            .fields(field)
            .file("/usr/share/stops", version)
            .member("symbols", "x")
    };
    let all = |version: &str, architecture: &str| {
        Deb::new("cross", version).architecture(architecture).file("/usr/share/cross", version)
    };
    case(
        "multi-arch",
        vec![
            library("amd64", "1"),
            library("i386", "1"),
            becomes("1", "Multi-Arch: foreign"),
            stops("1", "Multi-Arch: same"),
            all("1", "amd64"),
        ],
        vec![
            library("amd64", "2"),
            library("i386", "2"),
            becomes("2", "Multi-Arch: same"),
            stops("2", "Multi-Arch: no"),
            all("2", "all"),
        ],
    )
}

pub fn control_members_and_triggers() -> Case {
    let v1 = Deb::new("a", "1")
        .file("/usr/share/a", "1")
        .member("shlibs", "old")
        .member("templates", "gone")
        .member("with.dot", "dropped by dpkg")
        .member(
            "triggers",
            "interest-noawait /usr/share/watched\ninterest old-name\ninterest both-name\n",
        );
    let v2 = Deb::new("a", "2")
        .file("/usr/share/a", "2")
        .member("shlibs", "new")
        .member("symbols", "added")
        .member(
            "triggers",
            "interest /usr/share/watched2\ninterest-noawait both-name\ninterest new-name\n",
        );
    let b1 = Deb::new("b", "1")
        .file("/usr/share/b", "1")
        .member("triggers", "interest /usr/share/watched3\ninterest-noawait both-name\n");
    let c1 = Deb::new("c", "1").file("/usr/share/c", "1").member("triggers", "interest c-name\n");
    let c2 = Deb::new("c", "2").file("/usr/share/c", "2");
    case("members and triggers", vec![v1, b1, c1], vec![v2, c2])
}

/// As ca-certificates does: its postinst activates a trigger that the package itself waits for.
pub fn a_package_that_sets_off_its_own_trigger() -> Case {
    let script = "#!/bin/sh\nset -e\nif [ \"$1\" = triggered ]; then echo \"$@\" >> /told; \
                  else dpkg-trigger --no-await own; fi\n";
    let deb = |version: &str| {
        Deb::new("a", version)
            .file("/usr/share/a", version)
            .member("postinst", script)
            .member("triggers", "interest own\ninterest other\n")
    };
    case("own trigger", vec![deb("1")], vec![deb("2")])
}

pub fn status_fields_are_normalised() -> Case {
    let v1 = Deb::new("a", "1")
        .fields("Section: libs\nPriority: important\nHomepage: old\nBugs: b")
        .file("/usr/share/a", "1");
    let v2 = Deb::new("a", "2:2.0-1")
        .only_fields(
            "Depends: dpkg(>=1.1)|nothing:any ( = 2 ),\n dpkg\nx-odd-Field: kept\n\
             Tag:\n one,\n two\nHomepage: http://x\nEssential: no\nProtected: no\n\
             Multi-Arch: Foreign\nProvides: virtual (=0:1.0), other\nimportant: yes\n\
             Breaks: nobody (<< 1), NoBody (< 2)\nInstalled-Size: 12\n\
             Description: short\n long\n .\n  verbatim\nOriginal-Maintainer: M\n\
             Build-Ids: 1 2\nSource: src (1.0)\nEnhances: x\nPre-Depends: dpkg\n\
             Recommends: y\nSuggests: z\nReplaces: q\nConflicts: r\nOrigin: Debian",
        )
        .file("/usr/share/a", "2");
    let b1 = Deb::new("b", "1").file("/usr/share/b", "1");
    let b2 = Deb::new("b", "0:2").fields("Section: x\nPriority: Extra").file("/usr/share/b", "2");
    case("status fields", vec![v1, b1], vec![v2, b2])
}

pub fn new_packages() -> Case {
    case(
        "new packages",
        vec![Deb::new("m", "1").file("/usr/share/m", "1")],
        vec![
            Deb::new("z", "1").file("/usr/share/z", "1").conffile("/etc/z", "1"),
            Deb::new("a", "1").file("/usr/share/new/a", "1"),
            Deb::new("empty", "1"),
            Deb::new("no-sums", "1").without_md5sums(),
            Deb::new("node", "1").device("/usr/share/null", 1, 3),
        ],
    )
}

pub fn overwriting_without_replaces_is_refused() -> Case {
    Case {
        refused: true,
        ..case(
            "overwrite",
            vec![Deb::new("a", "1").file("/usr/share/x", "a")],
            vec![Deb::new("b", "1").file("/usr/share/x", "b")],
        )
    }
}

pub fn overwriting_a_diverted_file_is_refused() -> Case {
    Case {
        refused: true,
        edit: |root| {
            let arguments = [
                "dpkg-divert",
                "--local",
                "--no-rename",
                "--divert",
                "/usr/share/y",
                "--add",
                "/usr/share/x",
            ];
            root.run(&arguments).unwrap();
        },
        ..case("overwrite a diversion", vec![], vec![Deb::new("b", "1").file("/usr/share/y", "b")])
    }
}
