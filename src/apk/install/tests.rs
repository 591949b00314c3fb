//! What an installation makes of an image, case by case; against the real apk in
//! `tests/differential_apk_install`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::apk_file::{ApkControl, ApkPackage, PayloadEntry, PayloadKind, Script};
use super::super::package_info::PackageInfo;
use super::*;
use imgfix_model::identity::Identity;
use imgfix_repair::archive::Owner;
use imgfix_repair::script_run::{NoScripts, Ran};
use imgfix_shell::Stop;
use imgfix_versions::apk::generation::Generation;
use imgfix_vfs::{Content, Entry, FileSystem, Kind, NoLayers, Tree, Xattrs};

mod apk3;

const NOW: i64 = 1000;

/// Remembers what it was to run.
#[derive(Default)]
struct Recorder {
    calls: Vec<String>,
    /// Scripts by name that fail.
    failing: Option<&'static str>,
}

impl ScriptRunner<ScriptCall> for Recorder {
    fn run(&mut self, overlay: &mut Overlay, call: &ScriptCall) -> Result<Ran, Stop> {
        assert!(overlay.lstat(&call.path).is_some_and(|entry| entry.mode == 0o755));
        let line = format!("{} {}", call.path, call.arguments.join(" "));
        let fails = self.failing.is_some_and(|name| line.contains(name));
        self.calls.push(line);
        Ok(Ran { status: u8::from(fails), transcript: b"it said so\n".to_vec() })
    }
}

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

fn image(installed: &str, files: &[(&str, &str)]) -> Overlay {
    let mut entries: Vec<(ImagePath, Entry)> = files
        .iter()
        .map(|(name, content)| match name.strip_suffix('/') {
            Some(name) => (path(name), Entry::directory(0o755, 1)),
            None => (path(name), Entry::file((*content).to_owned(), 0o644, 1)),
        })
        .collect();
    let database = [
        ("/lib/apk/db/installed", installed),
        ("/etc/apk/world", "demo\n"),
        ("/sbin/apk", "elf"),
        ("/etc/passwd", "root:x:0:0::/:/bin/sh\nweb:x:80:81::/:/bin/sh\n"),
        ("/etc/group", "root:x:0:\nweb:x:81:\n"),
    ];
    for (name, content) in database {
        entries.push((path(name), Entry::file(content.to_owned(), 0o644, 1)));
    }
    Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(NoLayers))))
}

/// A package of payload entries: `dir/`, `file=content`, `link->target`, `name=>hard link`.
struct Made(NewPackage);

fn made(name: &str, version: &str, payload: &[&str]) -> Made {
    let text = format!("pkgname = {name}\npkgver = {version}\narch = x86_64\nsize = 10\n");
    let info = PackageInfo::parse(text.as_bytes()).unwrap();
    let mut record = info.record.clone();
    let identity = Identity::of(format!("{name}-{version}").as_bytes());
    record.identity = Some(identity);
    let control = ApkControl { identity, info, scripts: BTreeMap::new() };
    let payload = payload.iter().map(|text| entry(text)).collect();
    let package = Arc::new(ApkPackage { control, payload, held: None });
    Made(NewPackage { package, record, repository_tag: None })
}

fn entry(text: &str) -> PayloadEntry {
    let (name, kind, checksum) = if let Some(name) = text.strip_suffix('/') {
        (name, PayloadKind::Directory, None)
    } else if let Some((name, target)) = text.split_once("=>") {
        (name, PayloadKind::HardLink(path(target)), None)
    } else if let Some((name, target)) = text.split_once("->") {
        (name, PayloadKind::Symlink(target.into()), Some(Identity::of(target.as_bytes())))
    } else {
        let (name, content) = text.split_once('=').unwrap();
        let bytes = bytes::Bytes::copy_from_slice(content.as_bytes());
        let kind = PayloadKind::File { size: bytes.len() as u64, content: Content::Inline(bytes) };
        (name, kind, Some(Identity::of(content.as_bytes())))
    };
    let root = || Owner { name: Some(b"root".to_vec()), id: 0 };
    PayloadEntry {
        path: path(name),
        mode: if text.ends_with('/') { 0o755 } else { 0o644 },
        kind,
        user: root(),
        group: root(),
        mtime: 7,
        xattrs: Xattrs::new(),
        checksum,
    }
}

impl Made {
    fn package(&mut self) -> &mut ApkPackage {
        Arc::make_mut(&mut self.0.package)
    }

    fn info(mut self, change: impl FnOnce(&mut PackageInfo)) -> Self {
        change(&mut self.package().control.info);
        self
    }

    fn scripts(mut self, scripts: &[Script]) -> Self {
        for script in scripts {
            self.package().control.scripts.insert(*script, "#!/bin/sh\n".into());
        }
        self
    }

    fn entry(mut self, name: &str, change: impl FnOnce(&mut PayloadEntry)) -> Self {
        let wanted = path(name);
        let found = self.package().payload.iter_mut().find(|entry| entry.path == wanted);
        change(found.unwrap());
        self
    }
}

fn run(overlay: &mut Overlay, set: Vec<Made>) -> (Result<Vec<Effect>, InstallError>, Vec<String>) {
    let mut recorder = Recorder::default();
    let set: Vec<NewPackage> = set.into_iter().map(|made| made.0).collect();
    let result = install(overlay, &set, &[], &Options { timestamp: NOW }, &mut recorder);
    (result, recorder.calls)
}

fn done(overlay: &mut Overlay, set: Vec<Made>) -> Vec<String> {
    let (result, calls) = run(overlay, set);
    result.unwrap();
    calls
}

fn text(overlay: &Overlay, name: &str) -> String {
    match overlay.read(&path(name)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => "-".to_owned(),
    }
}

/// The record of a package with these files, as a former run left it.
fn recorded(name: &str, version: &str, files: &[(&str, &str, &str)]) -> String {
    let identity = Identity::of(format!("{name}-{version}").as_bytes());
    let mut out = format!("C:{identity}\nP:{name}\nV:{version}\nA:x86_64\nS:1\nI:10\nT:\nU:\nL:\n");
    let mut last = "";
    for (folder, file, content) in files {
        if *folder != last {
            out += &format!("F:{folder}\n");
            last = folder;
        }
        if !file.is_empty() {
            out += &format!("R:{file}\nZ:{}\n", Identity::of(content.as_bytes()));
        }
    }
    out + "\n"
}

#[test]
fn the_database_behind_links_is_written_where_it_is() {
    for (link, target, real) in [
        ("/lib/apk/db", "../../usr/lib/sysimage/apk", "/usr/lib/sysimage/apk"),
        ("/lib/apk", "/usr/share/apk-state", "/usr/share/apk-state/db"),
        ("/lib", "usr/lib", "/usr/lib/apk/db"),
    ] {
        let mut overlay = image(&recorded("demo", "1", &[("usr", "a", "1")]), &[("/usr/a", "1")]);
        let moved = path(target.trim_start_matches("../").trim_start_matches("../"));
        overlay.rename(&path(link), moved).unwrap();
        overlay.set(path(link), Entry::symlink(target, 1)).unwrap();
        done(&mut overlay, vec![made("demo", "2", &["usr/", "usr/a=2"])]);
        assert!(text(&overlay, &format!("{real}/installed")).contains("V:2\n"), "{link}");
        for name in ["triggers", "scripts.tar", "lock"] {
            assert!(overlay.lstat(&path(&format!("{real}/{name}"))).is_some(), "{link}: {name}");
        }
        assert!(overlay.lstat(&path(link)).unwrap().is_symlink(), "{link}");
    }
    // apk renames a new file over one that is a link itself
    let mut overlay = image(&recorded("demo", "1", &[("usr", "a", "1")]), &[("/usr/a", "1")]);
    overlay.rename(&path("/lib/apk/db/installed"), path("/usr/installed")).unwrap();
    let link = Entry::symlink("/usr/installed", 1);
    overlay.set(path("/lib/apk/db/installed"), link).unwrap();
    done(&mut overlay, vec![made("demo", "2", &["usr/", "usr/a=2"])]);
    assert!(overlay.lstat(&path("/lib/apk/db/installed")).unwrap().is_file());
    assert!(text(&overlay, "/lib/apk/db/installed").contains("V:2\n"));
    assert!(text(&overlay, "/usr/installed").contains("V:1\n"));
}

#[test]
fn an_upgrade_replaces_files_and_takes_obsolete_ones_away() {
    let former = recorded(
        "demo",
        "1",
        &[
            ("usr", "", ""),
            ("usr/old", "gone", "x"),
            ("usr/share", "a", "1"),
            ("usr/share", "b", ""),
        ],
    );
    let files = [
        ("/usr/old/gone", "x"),
        ("/usr/share/a", "1"),
        ("/usr/share/b", ""),
        ("/usr/share/c", "c"),
    ];
    let mut overlay = image(&former, &files);
    let set = vec![made("demo", "2", &["usr/", "usr/share/", "usr/share/a=2", "usr/share/l->a"])];
    assert_eq!(done(&mut overlay, set), [""; 0]);
    assert_eq!(text(&overlay, "/usr/share/a"), "2");
    assert_eq!(overlay.lstat(&path("/usr/share/a")).unwrap().mtime, 7);
    // a link has the time at which it was made
    assert_eq!(overlay.lstat(&path("/usr/share/l")), Some(&Entry::symlink("a", NOW)));
    for gone in ["/usr/share/b", "/usr/old/gone", "/usr/old"] {
        assert!(overlay.lstat(&path(gone)).is_none(), "{gone}");
    }
    assert_eq!(text(&overlay, "/usr/share/c"), "c");
    let identity = Identity::of(b"demo-2");
    let (two, link) = (Identity::of(b"2"), Identity::of(b"a"));
    assert_eq!(
        text(&overlay, "/lib/apk/db/installed"),
        format!(
            "C:{identity}\nP:demo\nV:2\nA:x86_64\nS:0\nI:10\nT:\nU:\nL:\nF:usr\nF:usr/share\n\
             R:a\nZ:{two}\nR:l\nZ:{link}\n\n"
        )
    );
    assert_eq!(text(&overlay, "/lib/apk/db/triggers"), "");
    assert_eq!(overlay.lstat(&path("/lib/apk/db/lock")).unwrap().mode, 0o600);
}

#[test]
fn changes_in_protected_directories_stay() {
    let names = ["same", "changed", "equal", "unowned", "removed", "removed-changed"];
    let owned = ["same", "changed", "equal", "removed", "removed-changed"];
    let records: Vec<_> = owned.iter().map(|name| ("etc/demo", *name, "old")).collect();
    let mut overlay = image(
        &recorded("demo", "1", &records),
        &[
            ("/etc/demo/same", "old"),
            ("/etc/demo/changed", "mine"),
            ("/etc/demo/equal", "new"),
            ("/etc/demo/unowned", "mine"),
            ("/etc/demo/removed", "old"),
            ("/etc/demo/removed-changed", "mine"),
        ],
    );
    let payload: Vec<String> =
        names[..4].iter().map(|name| format!("etc/demo/{name}=new")).collect();
    let mut entries = vec!["etc/", "etc/demo/"];
    entries.extend(payload.iter().map(String::as_str));
    let (result, _) = run(&mut overlay, vec![made("demo", "2", &entries)]);
    for (name, want, beside) in [
        ("same", "new", "-"),
        ("changed", "mine", "new"),
        ("equal", "new", "-"),
        ("unowned", "mine", "new"),
        ("removed", "-", "-"),
        ("removed-changed", "mine", "-"),
    ] {
        assert_eq!(text(&overlay, &format!("/etc/demo/{name}")), want, "{name}");
        assert_eq!(text(&overlay, &format!("/etc/demo/{name}.apk-new")), beside, "{name}");
    }
    let kept = |effect: &&Effect| matches!(effect.kind, EffectKind::ConffileKept { .. });
    assert_eq!(result.unwrap().iter().filter(kept).count(), 2);
}

#[test]
fn a_file_of_two_packages_goes_by_origin_and_replaces() {
    let replaces = |text: &'static str, priority| {
        move |info: &mut PackageInfo| {
            info.replaces = Dependency::parse_list(text).unwrap();
            info.replaces_priority = priority;
        }
    };
    let payload = &["usr/", "usr/file=new"];
    let other = |fields: &str| {
        recorded("other", "1", &[("usr", "file", "old")])
            .replace("F:usr", &format!("{fields}F:usr"))
    };
    let plain = || made("demo", "1", payload);
    for (fields, new, want) in [
        ("", plain(), None),
        ("", plain().info(replaces("other", None)), Some("new")),
        ("", plain().info(replaces("other<1", None)), None),
        ("", plain().info(replaces("other<2", None)), Some("new")),
        ("r:demo\nq:5\n", plain().info(replaces("other", None)), Some("old")),
        ("r:demo\nq:5\n", plain().info(replaces("other", Some(6))), Some("new")),
        ("r:demo\n", plain().info(replaces("other", None)), Some("new")),
        ("r:demo\n", plain(), Some("old")),
    ] {
        let mut overlay = image(&other(fields), &[("/usr/file", "old")]);
        let before = text(&overlay, "/lib/apk/db/installed");
        let (result, _) = run(&mut overlay, vec![new]);
        match want {
            Some(want) => {
                result.unwrap();
                assert_eq!(text(&overlay, "/usr/file"), want, "{fields}");
                let database = text(&overlay, "/lib/apk/db/installed");
                assert_eq!(database.matches("R:file").count(), 1, "{database}");
            }
            None => {
                let why = result.unwrap_err().to_string();
                let wanted =
                    "package demo would overwrite /usr/file, which is also in package other";
                assert_eq!(why, wanted);
                assert_eq!(text(&overlay, "/lib/apk/db/installed"), before);
                assert_eq!(overlay.changes().count(), 0);
            }
        }
    }
}

#[test]
fn scripts_are_run_in_their_moments_and_stay_in_the_archive() {
    let all = Script::ALL;
    let mut overlay = image(&recorded("demo", "1-r0", &[]), &[]);
    let set = vec![
        made("demo", "2-r1", &["usr/", "usr/a=1"]).scripts(&all),
        made("new", "3", &["usr/", "usr/b=1"]).scripts(&all),
    ];
    let calls = done(&mut overlay, set);
    assert_eq!(
        calls,
        [
            "/lib/apk/exec/demo-2-r1.pre-upgrade 2-r1 1-r0",
            "/lib/apk/exec/demo-2-r1.post-upgrade 2-r1 1-r0",
            "/lib/apk/exec/new-3.pre-install 3",
            "/lib/apk/exec/new-3.post-install 3",
        ]
    );
    assert_eq!(overlay.lstat(&path("/lib/apk/exec")).unwrap().mode, 0o700);
    assert_eq!(overlay.read_dir(&path("/lib/apk/exec")), []);
    let archive = overlay.read(&path("/lib/apk/db/scripts.tar")).unwrap();
    assert_eq!(archive.len(), 14 * 1024 + 1024);
}

#[test]
fn a_script_that_fails_leaves_the_image_as_it_was() {
    let mut overlay = image(&recorded("demo", "1", &[]), &[]);
    let set = [made("demo", "2", &["usr/", "usr/a=1"]).scripts(&[Script::PostUpgrade]).0];
    let mut runner = Recorder { failing: Some("post-upgrade"), ..Recorder::default() };
    let result = install(&mut overlay, &set, &[], &Options { timestamp: NOW }, &mut runner);
    let why = result.unwrap_err().to_string();
    assert_eq!(why, "demo's post-upgrade: it fails with exit status 1: it said so");
    assert_eq!(overlay.changes().count(), 0);
    let why = install(&mut overlay, &set, &[], &Options { timestamp: NOW }, &mut NoScripts);
    let why = why.unwrap_err().to_string();
    assert!(why.contains("scripts are not to be run"), "{why}");
}

#[test]
fn triggers_are_given_the_directories_that_were_touched() {
    let waiting =
        recorded("waiting", "1", &[("usr", "", ""), ("usr/lib", "", ""), ("opt", "", "")]);
    let former = recorded("demo", "1", &[("usr", "", ""), ("usr/gone", "x", "1")]);
    let mut overlay = image(&(waiting + &former), &[("/usr/gone/x", "1")]);
    let identity = Identity::of(b"waiting-1");
    let line = format!("{identity} /usr/* /opt\n");
    let entry = Entry::file(line, 0o644, 1);
    overlay.set(path("/lib/apk/db/triggers"), entry).unwrap();
    let mut archive = super::super::scripts_archive::ScriptsArchive::default();
    archive.insert(identity, Script::Trigger, "#!/bin/sh\n".into());
    let database = super::super::installed::InstalledDatabase::parse(
        &overlay.read(&path("/lib/apk/db/installed")).unwrap(),
    );
    let storage = super::super::scripts_archive::Storage::Plain;
    let tar = archive.write(&database.unwrap(), 1, storage).unwrap();
    overlay.set(path("/lib/apk/db/scripts.tar"), Entry::file(tar, 0o644, 1)).unwrap();
    let triggers = |info: &mut PackageInfo| info.triggers = vec!["/usr/lib".into(), "/o*".into()];
    let new = made("demo", "2", &["usr/", "usr/lib/", "usr/lib/a=1"]);
    let calls = done(&mut overlay, vec![new.info(triggers).scripts(&[Script::Trigger])]);
    // all that match, to the trigger of a new package; what was touched, to the others: also
    // what is gone
    let mut sorted: Vec<String> = calls
        .iter()
        .map(|call| {
            let mut words: Vec<&str> = call.split(' ').collect();
            words[1..].sort_unstable();
            words.join(" ")
        })
        .collect();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "/lib/apk/exec/demo-2.trigger /opt /usr/lib",
            "/lib/apk/exec/waiting-1.trigger /usr/gone /usr/lib",
        ]
    );
    let demo = Identity::of(b"demo-2");
    let want = format!("{identity} /usr/* /opt\n{demo} /usr/lib /o*\n");
    assert_eq!(text(&overlay, "/lib/apk/db/triggers"), want);
}

#[test]
fn directories_follow_their_packages_unless_the_image_changed_them() {
    let former = recorded("demo", "1", &[("a", "", ""), ("b", "", ""), ("c", "", "")]);
    let shared = recorded("shared", "1", &[("c", "", "")]).replace("F:c", "F:c\nM:0:0:750");
    for (mode_of_b, want_b) in [(0o755, 0o1777), (0o700, 0o700)] {
        let mut overlay =
            image(&format!("{former}{shared}"), &[("/a/", ""), ("/b/", ""), ("/c/", "")]);
        overlay.modify(&path("/b"), |entry| entry.mode = mode_of_b).unwrap();
        overlay.modify(&path("/c"), |entry| entry.mode = 0o750).unwrap();
        let web = |entry: &mut PayloadEntry| {
            entry.mode = 0o2770;
            entry.user = Owner { name: Some(b"web".to_vec()), id: 5 };
            entry.group = Owner { name: Some(b"unknown".to_vec()), id: 6 };
        };
        let new = made("demo", "2", &["a/", "b/", "c/", "d/"])
            .entry("a", web)
            .entry("b", |entry| entry.mode = 0o1777)
            .entry("d", web);
        done(&mut overlay, vec![new]);
        let found = |name| {
            let entry = overlay.lstat(&path(name)).unwrap();
            (entry.mode, entry.uid, entry.gid)
        };
        assert_eq!(found("/a"), (0o2770, 80, 6));
        assert_eq!(found("/b"), (want_b, 0, 0));
        // what both packages allow
        assert_eq!(found("/c"), (0o750, 0, 0));
        assert_eq!(found("/d"), (0o2770, 80, 6));
        let database = text(&overlay, "/lib/apk/db/installed");
        assert!(database.contains("F:a\nM:80:6:2770\nF:b\nM:0:0:1777\nF:c\n"), "{database}");
    }
}

#[test]
fn hard_links_are_one_inode_with_what_the_last_says() {
    let mut overlay = image("", &[]);
    let new = made("demo", "1", &["bin/", "bin/a=x", "bin/b=>bin/a", "bin/c=>bin/b"]);
    let new = new.entry("bin/c", |entry| (entry.mode, entry.mtime) = (0o4755, 9));
    done(&mut overlay, vec![new]);
    let mut links = Vec::new();
    for name in ["/bin/a", "/bin/b", "/bin/c"] {
        let entry = overlay.lstat(&path(name)).unwrap();
        assert_eq!((entry.mode, entry.mtime), (0o4755, 9), "{name}");
        let Kind::File(data) = &entry.kind else { panic!("{name}") };
        links.push(data.link.unwrap());
    }
    assert!(links.iter().all(|link| *link == links[0]));
    let database = text(&overlay, "/lib/apk/db/installed");
    let sum = Identity::of(b"x");
    let want = format!("F:bin\nR:a\nZ:{sum}\nR:b\nZ:{sum}\nR:c\na:0:0:4755\nZ:{sum}\n");
    assert!(database.contains(&want), "{database}");
}

#[test]
fn an_image_with_neither_apk_nor_a_shell_misses_no_script() {
    let mut overlay = image(&recorded("demo", "1", &[]), &[]);
    overlay.remove(&path("/sbin/apk"));
    assert!(is_distroless(&overlay));
    let new = made("demo", "2", &["usr/", "usr/a=1"]).scripts(&Script::ALL);
    assert_eq!(done(&mut overlay, vec![new]), [""; 0]);
    assert_eq!(text(&overlay, "/usr/a"), "1");
    assert!(text(&overlay, "/lib/apk/db/installed").contains("V:2\n"));
    for made in ["scripts.tar", "triggers", "lock"] {
        assert_eq!(text(&overlay, &format!("/lib/apk/db/{made}")), "-", "{made}");
    }
}

#[test]
fn what_apk_ends_with_an_error_for_is_refused() {
    let link = |entry: &mut PayloadEntry| entry.kind = PayloadKind::HardLink(path("a/missing"));
    for (new, want) in [
        (made("demo", "1", &["a/b=1"]), "/a/b has no directory in the archive"),
        (made("demo", "1", &["a/", "a/b=1", "a/b=1"]), "/a/b is in the archive twice"),
        (made("demo", "1", &["a/", "a/b=1"]).entry("a/b", link), "target of the hard link"),
        (
            made("demo", "1", &["a/", "a/b=1"]).entry("a/b", |entry| entry.checksum = None),
            "/a/b has no checksum",
        ),
        (
            made("demo", "1", &["sbin/", "sbin/apk/", "sbin/apk/x=1"]),
            "/sbin/apk is not a directory",
        ),
        (made("demo", "1", &["lib/", "lib/apk=1"]), "/lib/apk is a directory in the image"),
        (made("demo", "1", &["x/y/"]), "/x is not a directory"),
    ] {
        let mut overlay = image("", &[]);
        let why = run(&mut overlay, vec![new]).0.unwrap_err().to_string();
        assert!(why.contains(want), "{why} / {want}");
        assert_eq!(overlay.changes().count(), 0);
    }
}

#[test]
fn a_new_file_that_the_old_path_reaches_is_not_taken_away() {
    let former = recorded("demo", "1", &[("lib64", "x", "1")]);
    let mut overlay = image(&former, &[("/usr/lib/x", "1")]);
    overlay.set(path("/lib64"), Entry::symlink("usr/lib", 1)).unwrap();
    let new = made("demo", "2", &["usr/", "usr/lib/", "usr/lib/x=2"]);
    let why = run(&mut overlay, vec![new]).0.unwrap_err().to_string();
    assert!(why.contains("apk would take the new file away with the old"), "{why}");
}

#[test]
fn the_architecture_is_written_down_where_the_image_does_not_say_it() {
    let former = recorded("demo", "1", &[]);
    for (files, want) in [(&[][..], "x86_64\n"), (&[("/etc/apk/arch", "aarch64")][..], "aarch64")] {
        let mut overlay = image(&former, files);
        done(&mut overlay, vec![made("demo", "2", &["usr/"])]);
        assert_eq!(text(&overlay, "/etc/apk/arch"), want);
    }
    // nothing is added to an image that no apk was run in
    let mut overlay = image(&former, &[]);
    overlay.remove(&path("/sbin/apk"));
    done(&mut overlay, vec![made("demo", "2", &["usr/"])]);
    assert_eq!(text(&overlay, "/etc/apk/arch"), "-");
}

#[test]
fn apk_itself_is_upgraded_first_with_what_it_needs() {
    let installed = ["apk-tools", "a", "b"].map(|name| recorded(name, "1", &[])).concat();
    let mut overlay = image(&installed, &[]);
    let set = ["a", "b", "apk-tools"].map(|name| {
        let mut new = made(name, "2", &["usr/"]).scripts(&[Script::PostUpgrade]);
        if name == "apk-tools" {
            new.0.record.depends = Dependency::parse_list("b>1 a").unwrap();
        }
        new
    });
    let calls = done(&mut overlay, set.into());
    let names: Vec<&str> =
        calls.iter().map(|call| call.split(['/', '-']).nth(4).unwrap()).collect();
    assert_eq!(names, ["b", "apk", "a"]);
}

#[test]
fn nothing_of_a_package_without_size_is_unpacked() {
    let mut overlay = image("", &[]);
    let mut new = made("virtual", "1", &["usr/", "usr/a=1"]).scripts(&Script::ALL);
    new.0.record.installed_size = 0;
    assert_eq!(done(&mut overlay, vec![new]), [""; 0]);
    assert_eq!(text(&overlay, "/usr/a"), "-");
    assert!(text(&overlay, "/lib/apk/db/installed").contains("P:virtual\n"));
}

#[test]
fn a_package_that_goes_is_taken_away_at_its_place() {
    let former = recorded("old", "1", &[("usr/old", "x", "1"), ("etc", "kept", "1")]);
    let mut overlay = image(&former, &[("/usr/old/x", "1"), ("/etc/kept", "mine")]);
    let identity = Identity::of(b"old-1");
    let mut archive = super::super::scripts_archive::ScriptsArchive::default();
    for script in Script::ALL {
        archive.insert(identity, script, "#!/bin/sh\n".into());
    }
    let database = overlay.read(&path("/lib/apk/db/installed")).unwrap();
    let database = super::super::installed::InstalledDatabase::parse(&database).unwrap();
    let storage = super::super::scripts_archive::Storage::Plain;
    let tar = archive.write(&database, 1, storage).unwrap();
    overlay.set(path("/lib/apk/db/scripts.tar"), Entry::file(tar, 0o644, 1)).unwrap();
    let set = ["a", "b"].map(|name| made(name, "1", &["usr/"]).scripts(&[Script::PostInstall]).0);
    let removals = [Purge { package: "old".into(), before: 1 }];
    let mut runner = Recorder::default();
    install(&mut overlay, &set, &removals, &Options { timestamp: NOW }, &mut runner).unwrap();
    assert_eq!(
        runner.calls,
        [
            "/lib/apk/exec/a-1.post-install 1",
            "/lib/apk/exec/old-1.pre-deinstall 1",
            "/lib/apk/exec/old-1.post-deinstall 1",
            "/lib/apk/exec/b-1.post-install 1",
        ]
    );
    assert!(overlay.lstat(&path("/usr/old")).is_none());
    assert_eq!(text(&overlay, "/etc/kept"), "mine");
    assert!(!text(&overlay, "/lib/apk/db/installed").contains("P:old"));
}

#[test]
fn what_goes_between_the_commits_is_part_of_the_first_when_nothing_needs_it() {
    let needing = recorded("user", "1", &[]).replace("T:\n", "T:\nD:kept\n");
    let names = ["apk-tools", "gone", "kept"];
    let records = names.map(|name| recorded(name, "1", &[])).concat() + &needing;
    let overlay = image(&records, &[]);
    let (_, ownership) = Database::load(&overlay).unwrap();
    let set = ["apk-tools", "user"].map(|name| made(name, "2", &[]).0);
    let removals = ["gone", "kept"].map(|name| Purge { package: name.into(), before: 1 });
    let shown: Vec<Vec<String>> = commits(&set, &removals, &ownership, Generation::Apk2)
        .iter()
        .map(|changes| changes.iter().map(shown).collect())
        .collect();
    assert_eq!(shown, [vec!["apk-tools", "-gone"], vec!["-kept", "user"]]);
}

fn shown(change: &Change<'_>) -> String {
    match change {
        Change::Install(new) => new.record.name.to_string(),
        Change::Purge(name) => format!("-{name}"),
    }
}
