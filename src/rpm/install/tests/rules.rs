use imgfix_vfs::capabilities;

use super::*;

/// What somebody did to the file.
#[derive(Clone, Copy)]
enum Local {
    /// Nothing.
    Same,
    Text(&'static str),
    Gone,
    Mode,
    Link(&'static str),
}
use Local::{Gone, Link, Mode, Same, Text};

#[test]
fn configuration_files_keep_what_somebody_wrote() {
    let nothing: Option<(u32, &str)> = None;
    for (what, old, local, new, want) in [
        ("unchanged", Some((NOREPLACE, "1")), Same, Some((NOREPLACE, "2")), &["f 2"][..]),
        ("unchanged", Some((CONFIG, "1")), Same, Some((CONFIG, "2")), &["f 2"]),
        (
            "changed",
            Some((NOREPLACE, "1")),
            Text("m"),
            Some((NOREPLACE, "2")),
            &["f m", "f.rpmnew 2"],
        ),
        ("changed", Some((CONFIG, "1")), Text("m"), Some((CONFIG, "2")), &["f 2", "f.rpmsave m"]),
        ("changed", Some((CONFIG, "1")), Text("m"), Some((CONFIG, "1")), &["f m"]),
        ("changed", Some((NOREPLACE, "1")), Text("m"), Some((NOREPLACE, "1")), &["f m"]),
        ("as the new one", Some((CONFIG, "1")), Text("2"), Some((CONFIG, "2")), &["f 2"]),
        ("deleted", Some((CONFIG, "1")), Gone, Some((CONFIG, "2")), &["f 2"]),
        ("deleted", Some((CONFIG, "1")), Gone, Some((CONFIG | MISSINGOK, "2")), &[]),
        ("changed, dropped", Some((CONFIG, "1")), Text("m"), nothing, &["f.rpmsave m"]),
        ("unchanged, dropped", Some((CONFIG, "1")), Same, nothing, &[]),
        ("plain, changed, dropped", Some((0, "1")), Text("m"), nothing, &[]),
        ("no config now", Some((CONFIG, "1")), Text("m"), Some((0, "2")), &["f 2", "f.rpmsave m"]),
        ("config now", Some((0, "1")), Text("m"), Some((NOREPLACE, "2")), &["f m", "f.rpmnew 2"]),
        ("config now", Some((0, "1")), Text("m"), Some((CONFIG, "2")), &["f 2", "f.rpmsave m"]),
        ("plain", Some((0, "1")), Text("m"), Some((0, "2")), &["f 2"]),
        ("nobody's", nothing, Text("m"), Some((CONFIG, "2")), &["f 2", "f.rpmorig m"]),
        ("nobody's", nothing, Text("m"), Some((NOREPLACE, "2")), &["f m", "f.rpmnew 2"]),
        ("nobody's", nothing, Text("m"), Some((0, "2")), &["f 2"]),
        ("nobody's, the same", nothing, Text("2"), Some((NOREPLACE, "2")), &["f 2"]),
        ("mode", Some((NOREPLACE, "1")), Mode, Some((NOREPLACE, "1")), &["f 1"]),
        ("mode", Some((NOREPLACE, "1")), Mode, Some((NOREPLACE, "2")), &["f 2"]),
        ("link", Some((NOREPLACE, "1")), Link("x"), Some((NOREPLACE, "1")), &["f -> x"]),
        (
            "link",
            Some((NOREPLACE, "1")),
            Link("x"),
            Some((NOREPLACE, "2")),
            &["f -> x", "f.rpmnew 2"],
        ),
        ("ghost", Some((GHOST, "")), Text("m"), Some((GHOST, "")), &["f m"]),
        ("ghost, dropped", Some((GHOST, "")), Text("m"), nothing, &[]),
        ("ghost that is missing", Some((GHOST, "")), Gone, Some((GHOST, "")), &[]),
    ] {
        let mut image = Image::new();
        let package = |version, file: Option<(u32, &'static str)>| {
            let file = file.map(|(flags, text)| config("/etc/d/f", text, flags));
            let files: Vec<Sample> = [directory("/etc/d")].into_iter().chain(file).collect();
            new_package("a", version, &files)
        };
        if old.is_some() {
            image.upgrade(&[package("1", old)]).unwrap();
        }
        let path = ImagePath::literal("/etc/d/f");
        match local {
            Same => {}
            Text(text) => image.text("/etc/d/f", text),
            Gone => image.overlay.remove(&path),
            Mode => {
                image.overlay.modify(&path, |entry| (entry.mode, entry.uid) = (0o600, 7)).unwrap()
            }
            Link(to) => image.put("/etc/d/f", Entry::symlink(to, 9)),
        }
        image.upgrade(&[package("2", new)]).unwrap();
        assert_eq!(image.shown("/etc/d"), want, "{what}: {old:?} {new:?}");
        if matches!(local, Mode) || what == "as the new one" {
            let Entry { mode, uid, mtime, .. } = image.entry("/etc/d/f");
            assert_eq!((*mode, *uid, *mtime), (0o644, 0, 5), "{what}");
        }
    }
}

#[test]
fn what_is_kept_and_saved_is_told() {
    let mut image = Image::new();
    let files = |text| [config("/etc/a", text, NOREPLACE), config("/etc/b", text, CONFIG)];
    let gone = config("/etc/c", "1", CONFIG);
    image.upgrade(&[new_package("a", "1", &[&files("1")[..], &[gone]].concat())]).unwrap();
    for path in ["/etc/a", "/etc/b", "/etc/c"] {
        image.text(path, "mine");
    }
    let outcome = image.upgrade(&[new_package("a", "2", &files("2"))]).unwrap();
    let path = ImagePath::literal;
    let kinds: Vec<EffectKind> = outcome.effects.into_iter().map(|effect| effect.kind).collect();
    let want = [
        EffectKind::ConffileKept { path: path("/etc/a"), shipped_as: path("/etc/a.rpmnew") },
        EffectKind::ConffileReplaced { path: path("/etc/b"), former_as: path("/etc/b.rpmsave") },
        EffectKind::Installed { from: Some("1-1".into()), to: "2-1".into() },
        EffectKind::ConffileSaved { path: path("/etc/c"), saved_as: path("/etc/c.rpmsave") },
    ];
    assert_eq!(kinds.len(), want.len());
    for kind in &want {
        assert!(kinds.contains(kind), "{kind:?} in {kinds:?}");
    }
}

#[test]
fn files_and_links_and_directories_take_each_others_places() {
    let mut image = Image::new();
    let first = [
        file("/d/file", "1"),
        link("/d/link", "file"),
        file("/d/to-directory", "1"),
        file("/d/to-link", "1"),
    ];
    image.upgrade(&[new_package("a", "1", &[&[directory("/d")][..], &first].concat())]).unwrap();
    let second = [
        directory("/d"),
        link("/d/file", "link"),
        file("/d/link", "2"),
        directory("/d/to-directory"),
        link("/d/to-link", "x"),
    ];
    image.upgrade(&[new_package("a", "2", &second)]).unwrap();
    assert_eq!(image.shown("/d"), ["file -> link", "link 2", "to-directory/", "to-link -> x"]);
}

#[test]
fn a_directory_becomes_nothing_else_unless_it_was_moved() {
    let mut image = Image::new();
    let first = [directory("/d"), directory("/d/x"), file("/d/x/y", "1")];
    let second =
        [directory("/d"), directory("/d/real"), file("/d/real/y", "1"), link("/d/x", "real")];
    image.upgrade(&[new_package("a", "1", &first)]).unwrap();
    let before = image.shown("/d");
    let error = image.upgrade(&[new_package("a", "2", &second)]).unwrap_err();
    assert!(matches!(error, InstallError::Overwrite { .. }), "{error}");
    assert_eq!(image.shown("/d"), before);
    let path = ImagePath::literal;
    image.overlay.rename(&path("/d/x"), path("/d/x.moved")).unwrap();
    image.upgrade(&[new_package("a", "2", &second)]).unwrap();
    // The file at the former path is now found through the link: it is not taken.
    assert_eq!(image.shown("/d"), ["real/", "real/y 1", "x -> real", "x.moved/", "x.moved/y 1"]);
}

#[test]
fn what_others_own_stays() {
    let mut image = Image::new();
    let shared = [directory("/d"), file("/d/shared", "s")];
    let own = |path| [&shared[..], &[file(path, "o")]].concat();
    image
        .upgrade(&[new_package("a", "1", &own("/d/a")), new_package("b", "1", &own("/d/b"))])
        .unwrap();
    image.remove("a").unwrap();
    assert_eq!(image.shown("/d"), ["b o", "shared s"]);
    image.text("/d/nobody's", "n");
    image.remove("b").unwrap();
    assert_eq!(image.shown("/d"), ["nobody's n"]);
    image.overlay.remove(&ImagePath::literal("/d"));
    image.upgrade(&[new_package("a", "1", &own("/d/a"))]).unwrap();
    image.remove("a").unwrap();
    assert_eq!(image.shown("/"), [""; 0]);
}

#[test]
fn a_file_moves_between_packages_of_a_transaction() {
    let mut image = Image::new();
    let old = [file("/d/a", "a"), file("/d/moves", "1")];
    image
        .upgrade(&[new_package("a", "1", &old), new_package("b", "1", &[file("/d/b", "b")])])
        .unwrap();
    let (a, b) = ([file("/d/a", "a")], [file("/d/b", "b"), file("/d/moves", "2")]);
    image.upgrade(&[new_package("a", "2", &a), new_package("b", "2", &b)]).unwrap();
    assert_eq!(image.shown("/d"), ["a a", "b b", "moves 2"]);
}

#[test]
fn different_files_of_two_packages_are_an_error() {
    let mut image = Image::new();
    image.upgrade(&[new_package("a", "1", &[file("/d/x", "1")])]).unwrap();
    let other = new_package("b", "1", &[file("/d/x", "2")]);
    let error = image.upgrade(&[other]).unwrap_err().to_string();
    assert_eq!(
        error,
        "file /d/x of package b-1-1.noarch conflicts with the one of package a-1-1.noarch"
    );
    let both =
        [new_package("c", "1", &[file("/d/y", "1")]), new_package("d", "1", &[file("/d/y", "2")])];
    assert!(image.upgrade(&both).is_err());
    assert_eq!(image.shown("/d"), ["x 1"]);
}

#[test]
fn the_64_bit_file_wins_in_any_order() {
    let elf = |text, colour| [Sample { colour, ..file("/bin/x", text) }];
    let (small, large) =
        (new_package("a", "1", &elf("32", 1)), new_package("b", "1", &elf("64", 2)));
    for order in [[small.clone(), large.clone()], [large.clone(), small.clone()]] {
        let mut image = Image::new();
        image.upgrade(&order).unwrap();
        assert_eq!(image.shown("/bin"), ["x 64"]);
        assert_eq!(image.states("a"), [FileState::WrongColour]);
        assert_eq!(image.states("b"), [FileState::Normal]);
        image.remove("a").unwrap();
        assert_eq!(image.shown("/bin"), ["x 64"]);
    }
    let mut image = Image::new();
    image.upgrade(&[small]).unwrap();
    let outcome = image.upgrade(&[large]).unwrap();
    let state = outcome.changes.iter().find_map(|change| match change {
        Change::FileState { number, file, state } => Some((*number, *file, *state)),
        _ => None,
    });
    assert_eq!(state, Some((1, 0, FileState::WrongColour as u8)));
}

#[test]
fn hard_links_are_one_file() {
    let mut image = Image::new();
    let links = |paths: &[&'static str], text| -> Vec<Sample> {
        paths.iter().map(|path| Sample { inode: 7, ..file(path, text) }).collect()
    };
    let link_of = |image: &Image, path| match &image.entry(path).kind {
        Kind::File(data) => data.link,
        _ => None,
    };
    image.upgrade(&[new_package("a", "1", &links(&["/d/1", "/d/2", "/d/3"], "x"))]).unwrap();
    assert_eq!(image.shown("/d"), ["1 x", "2 x", "3 x"]);
    assert!(link_of(&image, "/d/1").is_some());
    assert_eq!(link_of(&image, "/d/1"), link_of(&image, "/d/3"));
    let former = link_of(&image, "/d/1");
    image.upgrade(&[new_package("a", "2", &links(&["/d/1", "/d/2"], "y"))]).unwrap();
    assert_eq!(image.shown("/d"), ["1 y", "2 y"]);
    assert_ne!(link_of(&image, "/d/1"), former);
    image.upgrade(&[new_package("a", "3", &links(&["/d/1"], "z"))]).unwrap();
    assert_eq!((image.shown("/d"), link_of(&image, "/d/1")), (vec!["1 z".to_owned()], None));
}

#[test]
fn owners_modes_and_capabilities_are_those_of_the_image() {
    let mut image = Image::new();
    image.text("/etc/passwd", "root:x:0:0\nbin:x:1:1:::\n");
    image.text("/etc/group", "bin:x:1:\n");
    let special = |path, user, group, mode| Sample { user, group, mode, ..file(path, "x") };
    let caps = "cap_net_raw=ep";
    let files = [
        special("/d/known", "bin", "bin", 0o106755),
        special("/d/nobody", "nobody", "bin", 0o106755),
        Sample { caps, ..file("/d/ping", "x") },
        Sample { mode: 0o020666, ..file("/d/null", "") },
        link("/d/zlink", "x"),
    ];
    image.upgrade(&[new_package("a", "1", &files)]).unwrap();
    let of = |path| {
        let Entry { mode, uid, gid, mtime, .. } = image.entry(path);
        (*mode, *uid, *gid, *mtime)
    };
    assert_eq!(of("/d/known"), (0o6755, 1, 1, 5));
    assert_eq!(of("/d/nobody"), (0o2755, 0, 1, 5));
    assert_eq!(of("/d/zlink"), (0o777, 0, 0, 5));
    assert_eq!(of("/d"), (0o755, 0, 0, 100));
    assert_eq!(image.entry("/d/null").kind, Kind::CharDevice { major: 1, minor: 3 });
    let value = image.entry("/d/ping").xattrs.get(capabilities::ATTRIBUTE).cloned();
    assert_eq!(value, capabilities::value(caps.as_bytes()));
}

#[test]
fn settings_leave_out_documentation_and_languages() {
    let mut image = Image::new();
    image.options.no_documentation = true;
    image.options.languages = Some(vec!["de_AT".into()]);
    let german = |path, langs| Sample { langs, ..file(path, "x") };
    let files = [
        file("/d/a", "x"),
        german("/d/de", "de"),
        german("/d/fr", "fr|it"),
        directory("/doc"),
        config("/doc/a", "x", DOC),
        config("/doc/licence", "x", DOC | 128),
        directory("/man"),
        config("/man/a", "x", DOC),
    ];
    image.upgrade(&[new_package("a", "1", &files)]).unwrap();
    assert_eq!(image.shown("/"), ["d/", "d/a x", "d/de x", "doc/", "doc/licence x"]);
    use FileState::{Normal, NotInstalled};
    let want =
        [Normal, Normal, NotInstalled, Normal, NotInstalled, Normal, NotInstalled, NotInstalled];
    assert_eq!(image.states("a"), want);
}

#[test]
fn what_other_machines_share_is_left_alone() {
    let mut image = Image::new();
    image.options.shared = vec!["/net".into(), "/d/one".into()];
    image.put("/net", Entry::directory(0o700, 1));
    image.put("/net/a", Entry::file("theirs", 0o644, 1));
    let files = |text: &'static str| {
        [
            directory("/d"),
            file("/d/one", text),
            file("/d/one-more", text),
            directory("/net"),
            file("/net/a", text),
            file("/net/b", text),
        ]
    };
    image.upgrade(&[new_package("a", "1", &files("x"))]).unwrap();
    assert_eq!(image.shown("/"), ["d/", "d/one-more x", "net/", "net/a theirs"]);
    assert_eq!(image.entry("/net").mode, 0o700);
    use FileState::{NetShared, Normal};
    assert_eq!(image.states("a"), [Normal, NetShared, Normal, NetShared, NetShared, NetShared]);
    // The next one has none of them, and the old one's stay.
    image.upgrade(&[new_package("a", "2", &[directory("/d")])]).unwrap();
    assert_eq!(image.shown("/"), ["d/", "net/", "net/a theirs"]);
}

#[test]
fn directories_may_be_links() {
    let mut image = Image::new();
    image.put("/lib", Entry::symlink("usr/lib", 1));
    image.put("/usr/lib", Entry::directory(0o755, 1));
    image.upgrade(&[new_package("a", "1", &[file("/lib/x", "1")])]).unwrap();
    assert_eq!(image.shown("/usr"), ["lib/", "lib/x 1"]);
    image.upgrade(&[new_package("a", "2", &[directory("/lib"), file("/usr/lib/x", "2")])]).unwrap();
    assert_eq!(image.shown("/"), ["lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/x 2"]);
}

#[test]
fn the_database_gets_times_and_numbers() {
    let times = |release| {
        let mut image = Image::new();
        image.options.release = release;
        let packages = [new_package("a", "1", &[]), new_package("b", "1", &[])];
        image.upgrade(&packages).unwrap();
        let time = |one: &Installed| one.package.install_time().unwrap();
        image.installed.iter().map(time).collect::<Vec<_>>()
    };
    assert_eq!(times(Release::new(4, 16)), [100, 100]);
    assert_eq!(times(Release::new(4, 18)), [100, 101]);
}
