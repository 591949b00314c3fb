//! What apk 3 makes otherwise than apk 2.

use sha2::{Digest as _, Sha256};

use super::super::super::scripts_archive::{ScriptsArchive, Storage};
use super::*;

/// The record of an apk 3, whose image it is by that.
fn apk() -> String {
    recorded("apk-tools", "3.0.6-r0", &[("sbin", "apk", "elf")])
}

fn image_of_apk3(installed: &str, files: &[(&str, &str)]) -> Overlay {
    image(&(installed.to_owned() + &apk()), files)
}

fn installed(overlay: &Overlay) -> String {
    text(overlay, "/lib/apk/db/installed")
}

/// The record of a package of version 3 with these files of `etc/demo`.
fn of_version_3(name: &str, files: &[(&str, &str)]) -> String {
    let cut = |content: &str| {
        let hash: [u8; 32] = Sha256::digest(content).into();
        Identity::Sha1(hash[..20].try_into().unwrap())
    };
    let mut out = recorded(name, "1", &[("etc", "", ""), ("etc/demo", "", "")]);
    out = out.replace("F:etc\n", "f:S\nF:etc\n");
    out.pop();
    for (file, content) in files {
        out += &format!("R:{file}\nZ:{}\n", cut(content));
    }
    out + "\n"
}

/// Remembers what scripts are told.
#[derive(Default)]
struct Told(Vec<String>);

impl ScriptRunner<ScriptCall> for Told {
    fn run(&mut self, overlay: &mut Overlay, call: &ScriptCall) -> Result<Ran, Stop> {
        let text = call.text.as_ref().map(|text| String::from_utf8_lossy(text).into_owned());
        let is_there = overlay.lstat(&call.path).is_some();
        assert_eq!(is_there, text.is_none(), "{}", call.path);
        let variables = call.variables.iter().map(|(name, value)| format!(" {name}={value}"));
        let variables: String = variables.collect();
        self.0.push(format!("{} {}{variables}", call.path, call.arguments.join(" ")));
        Ok(Ran::default())
    }
}

#[test]
fn scripts_are_in_memory_and_told_which_they_are_and_hooks_are_below_lib_too() {
    let hooks = [
        ("/etc/apk/commit_hooks.d/b", "of etc"),
        ("/lib/apk/commit_hooks.d/a", "of lib"),
        ("/lib/apk/commit_hooks.d/b", "hidden by etc"),
        ("/lib/apk/commit_hooks.d/.c", "hidden"),
    ];
    let set = [made("demo", "2", &["usr/", "usr/a=1"]).scripts(&[Script::PostUpgrade]).0];
    let options = Options { timestamp: NOW };
    let mut overlay = image_of_apk3(&recorded("demo", "1", &[]), &hooks);
    let mut told = Told::default();
    install(&mut overlay, &set, &[], &options, &mut told).unwrap();
    assert_eq!(
        told.0,
        [
            "/lib/apk/commit_hooks.d/a pre-commit APK_SCRIPT=pre-commit",
            "/etc/apk/commit_hooks.d/b pre-commit APK_SCRIPT=pre-commit",
            "/lib/apk/exec/demo-2.post-upgrade 2 1 APK_SCRIPT=post-upgrade APK_PACKAGE=demo",
            "/lib/apk/commit_hooks.d/a post-commit APK_SCRIPT=post-commit",
            "/etc/apk/commit_hooks.d/b post-commit APK_SCRIPT=post-commit",
        ]
    );
    assert!(overlay.lstat(&path("/lib/apk/exec")).is_none());
    let mut overlay = image(&recorded("demo", "1", &[]), &hooks);
    let mut told = Told::default();
    install(&mut overlay, &set, &[], &options, &mut told).unwrap();
    assert_eq!(
        told.0,
        [
            "/etc/apk/commit_hooks.d/b pre-commit",
            "/lib/apk/exec/demo-2.post-upgrade 2 1",
            "/etc/apk/commit_hooks.d/b post-commit",
        ]
    );
}

#[test]
fn the_archive_of_scripts_is_made_as_apk_3_makes_it() {
    let set = || vec![made("demo", "2", &["usr/", "usr/a=1"]).scripts(&[Script::Trigger])];
    let mut overlay = image_of_apk3(&recorded("demo", "1", &[]), &[]);
    done(&mut overlay, set());
    assert!(overlay.lstat(&path("/lib/apk/db/scripts.tar")).is_none());
    let gzip = overlay.read(&path("/lib/apk/db/scripts.tar.gz")).unwrap();
    let scripts = ScriptsArchive::parse(&gzip, Storage::Gzip).unwrap();
    assert!(
        scripts.is_of_apk3() && scripts.get(&Identity::of(b"demo-2"), Script::Trigger).is_some()
    );
    // The plain one stays when it is there.
    let plain = "\0".repeat(1024);
    let mut overlay =
        image_of_apk3(&recorded("demo", "1", &[]), &[("/lib/apk/db/scripts.tar", &plain)]);
    done(&mut overlay, set());
    assert!(overlay.lstat(&path("/lib/apk/db/scripts.tar.gz")).is_none());
    let plain = overlay.read(&path("/lib/apk/db/scripts.tar")).unwrap();
    assert!(ScriptsArchive::parse(&plain, Storage::Plain).unwrap().is_of_apk3());
}

#[test]
fn files_of_packages_of_version_3_are_compared_by_their_own_checksums() {
    for database in [apk(), String::new()] {
        let files = [("same", "old"), ("changed", "old"), ("removed", "old"), ("mine", "old")];
        let former = of_version_3("demo", &files) + &of_version_3("other", &[("kept", "x")]);
        let mut overlay = image(
            &(former + &database),
            &[
                ("/etc/demo/same", "old"),
                ("/etc/demo/changed", "by the user"),
                ("/etc/demo/removed", "old"),
                ("/etc/demo/mine", "by the user"),
                ("/etc/demo/kept", "x"),
            ],
        );
        let payload = ["etc/", "etc/demo/", "etc/demo/same=new", "etc/demo/changed=new"];
        done(&mut overlay, vec![made("demo", "2", &payload)]);
        for (name, want) in [
            ("same", "new"),
            ("same.apk-new", "-"),
            ("changed", "by the user"),
            ("changed.apk-new", "new"),
            ("removed", "-"),
            ("mine", "by the user"),
        ] {
            assert_eq!(text(&overlay, &format!("/etc/demo/{name}")), want, "{name}");
        }
        // The new package is of version 2; the other keeps its mark.
        let installed = installed(&overlay);
        assert_eq!(installed.matches("f:S\n").count(), 1, "{installed}");
        assert!(installed.contains(&of_version_3("other", &[("kept", "x")])), "{installed}");
    }
}

#[test]
fn a_package_that_is_replaced_later_in_the_run_gives_its_files_away() {
    let former = || recorded("other", "1", &[("usr", "file", "old")]);
    let set = || {
        vec![
            made("demo", "1", &["usr/", "usr/file=new"]),
            made("other", "2", &["usr/", "usr/rest=new"]),
        ]
    };
    let mut overlay = image_of_apk3(&former(), &[("/usr/file", "old")]);
    done(&mut overlay, set());
    assert_eq!(text(&overlay, "/usr/file"), "new");
    let mut overlay = image(&former(), &[("/usr/file", "old")]);
    let why = run(&mut overlay, set()).0.unwrap_err().to_string();
    assert!(why.contains("would overwrite /usr/file"), "{why}");
}

#[test]
fn of_a_removed_protected_file_the_new_one_beside_it_goes_too() {
    let files = [
        ("/etc/demo/mine", "by the user"),
        ("/etc/demo/mine.apk-new", "left by a former run"),
        ("/etc/demo/gone.apk-new", "left by a former run"),
    ];
    let records = [("etc", "", ""), ("etc/demo", "mine", "old"), ("etc/demo", "gone", "old")];
    for (of_apk3, want) in [(true, "-"), (false, "left by a former run")] {
        let own = if of_apk3 { apk() } else { String::new() };
        let mut overlay = image(&(recorded("demo", "1", &records) + &own), &files);
        done(&mut overlay, vec![made("demo", "2", &["etc/"])]);
        assert_eq!(text(&overlay, "/etc/demo/mine"), "by the user");
        for name in ["mine", "gone"] {
            assert_eq!(text(&overlay, &format!("/etc/demo/{name}.apk-new")), want, "{name}");
        }
    }
}

#[test]
fn a_file_that_is_reached_by_two_paths_stays_and_targets_may_be_in_the_root() {
    let former = recorded("demo", "1", &[("bin", "x", "old")]);
    let files = [("/usr/bin/x", "old")];
    let link = |overlay: &mut Overlay| {
        overlay.set(path("/bin"), Entry::symlink("usr/bin", 1)).unwrap();
    };
    let set = || vec![made("demo", "2", &["usr/", "usr/bin/", "usr/bin/x=new"])];
    let mut overlay = image_of_apk3(&former, &files);
    link(&mut overlay);
    done(&mut overlay, set());
    assert_eq!(text(&overlay, "/usr/bin/x"), "new");
    let mut overlay = image(&former, &files);
    link(&mut overlay);
    let why = run(&mut overlay, set()).0.unwrap_err().to_string();
    assert!(why.contains("is reached in the image through another path"), "{why}");

    let set = || vec![made("demo", "2", &["x=1", "usr/", "usr/y=>x"])];
    let mut overlay = image_of_apk3("", &[]);
    done(&mut overlay, set());
    assert_eq!(text(&overlay, "/usr/y"), "1");
    let why = run(&mut image("", &[]), set()).0.unwrap_err().to_string();
    assert!(why.contains("the target of the hard link"), "{why}");
}

#[test]
fn records_are_ordered_as_apk_3_orders_them() {
    let mut overlay = image_of_apk3("", &[]);
    let payload = ["z/", "z/b=1", "z/B=1", "a/", "a/x=1", "z/a=>z/b"];
    done(&mut overlay, vec![made("demo", "1", &payload)]);
    let lines: Vec<String> = installed(&overlay)
        .lines()
        .skip_while(|line| *line != "P:demo")
        .filter(|line| line.starts_with("F:") || line.starts_with("R:"))
        .map(str::to_owned)
        .collect();
    assert_eq!(lines, ["F:z", "R:B", "R:a", "R:b", "F:a", "R:x"]);
}
