//! Policy files of strangers, as a user meets them: what came with a pull request, lies in a
//! folder that all may write, or belongs to somebody else runs nothing, writes nothing, sends
//! nothing and redirects nothing.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::cli::{Place, Ran, fixture, is_root, ran, report};

/// What an attacker would put there: every power a file has, each with a trace.
fn hostile(place: &Place) -> String {
    let trace = |name: &str| place.path(name).display().to_string();
    format!(
        "min-severity = \"unknown\"\ntag-suffix = \"_stolen\"\noriginal = \"delete\"\n\
         scan-with = \"sh -c 'touch {ran}; cat {image}'\"\n\
         [repositories]\nsources = [\"deb [trusted=yes] file:///nowhere x main\"]\n\
         mirrors = [\"file:///=http://127.0.0.1:1/\"]\nkeyrings = [\"evil.gpg\"]\n\
         [[notify]]\nkind = \"file\"\npath = \"{told}\"\n",
        ran = trace("ran"),
        told = trace("told"),
        image = "{image}",
    )
}

fn repair(place: &Place, more: &[&str]) -> Ran {
    let mut command = place.on("repair", &place.image("12"));
    command.args(["-r", &report("debian-12.trivy")]).args(more);
    ran(&mut command)
}

/// The image was repaired as if there were no file, and nothing else happened.
#[track_caller]
fn assert_powerless(place: &Place, run: &Ran) {
    for trace in ["ran", "told"] {
        assert!(!place.path(trace).exists(), "{trace}: {}", run.stderr);
    }
    assert!(place.tagged("12").is_some(), "the original stays: {}", run.stderr);
    assert!(place.tagged("12_fix").is_some() && place.tagged("12_stolen").is_none());
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_came_with_a_pull_request_has_no_powers() {
    let place = Place::debian();
    let file = place.path("imgfix.toml");
    std::fs::write(&file, hostile(&place)).unwrap();
    let run = repair(&place, &[]).expect(0);
    assert_powerless(&place, &run);
    let warnings: Vec<&str> =
        run.stderr.lines().filter(|line| line.contains("is not followed")).collect();
    let [warning] = warnings[..] else { panic!("{}", run.stderr) };
    for want in [
        &*file.display().to_string(),
        "scan-with, tag-suffix, original, repositories.sources, repositories.mirrors, \
         repositories.keyrings, notify",
        "--config",
        "IMGFIX_CONFIG",
    ] {
        assert!(warning.contains(want), "{want} is not in {warning}");
    }
    let run = ran(place.imgfix().args(["config", "check"])).expect(0);
    assert!(run.stderr.contains("scan-with, tag-suffix"), "{}", run.stderr);
}

#[test]
fn the_same_file_is_followed_when_the_user_names_it_or_keeps_it() {
    let text = "tag-suffix = \"_own\"\n[[notify]]\nkind = \"file\"\npath = \"told\"\n";
    for how in ["flag", "variable", "kept"] {
        let place = Place::debian();
        let folder = if how == "kept" { "home/.config/imgfix" } else { "ci" };
        std::fs::create_dir_all(place.path(folder)).unwrap();
        let file = place.path(folder).join("imgfix.toml");
        std::fs::write(&file, text).unwrap();
        let mut command = place.on("repair", &place.image("12"));
        command.args(["-r", &report("debian-12.trivy")]);
        match how {
            "flag" => command.arg("--config").arg(&file),
            "variable" => command.env("IMGFIX_CONFIG", &file),
            _ => &mut command,
        };
        let run = ran(&mut command).expect(0);
        assert!(!run.stderr.contains("warning"), "{how}: {}", run.stderr);
        assert!(place.tagged("12_own").is_some(), "{how}: {}", run.stderr);
        assert!(place.path(folder).join("told").exists(), "{how}: {}", run.stderr);
    }
}

#[test]
fn a_file_found_narrows_under_the_users_own() {
    let place = Place::debian();
    std::fs::create_dir_all(place.path("home/.config/imgfix")).unwrap();
    let own = "tag-suffix = \"_own\"\n[packages]\nallow = [\"libc*\"]\n";
    std::fs::write(place.path("home/.config/imgfix/imgfix.toml"), own).unwrap();
    let found = "tag-suffix = \"_stolen\"\nfail-on = \"low\"\n[packages]\nallow = [\"*\"]\n";
    std::fs::write(place.path("imgfix.toml"), found).unwrap();
    let run = repair(&place, &["--format", "json"]).expect(3);
    assert!(place.tagged("12_own").is_some() && place.tagged("12_stolen").is_none());
    let report = run.json();
    let changed = report["platforms"][0]["packages"].as_array().unwrap();
    assert!(changed.iter().all(|one| one["name"].as_str().unwrap().starts_with("libc")));
}

#[test]
fn what_a_found_file_extends_has_no_powers_either() {
    let place = Place::debian();
    let folder = place.path("repo/apps/web");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir(place.path("repo/.git")).unwrap();
    let extends = |what: &str| {
        let text = format!("extends = [\"{what}\"]\n");
        std::fs::write(folder.join("imgfix.toml"), text).unwrap();
    };
    let repair = |more: &[&str]| {
        let mut command = place.on("repair", &place.image("12"));
        command.args(["-r", &report("debian-12.trivy")]).args(more);
        ran(command.current_dir(&folder))
    };
    extends("../../base.toml");
    let base = place.path("repo/base.toml");
    std::fs::write(&base, hostile(&place) + "[packages]\ndeny = [\"libexpat1\"]\n").unwrap();
    let run = repair(&["--format", "json"]).expect(0);
    assert_powerless(&place, &run);
    assert!(run.stderr.contains("scan-with, tag-suffix, original"), "{}", run.stderr);
    let upgraded = run.json()["platforms"][0]["packages"].to_string();
    assert!(!upgraded.contains("\"libexpat1\""), "what narrows holds: {upgraded}");
    // A file of others is ignored, as the found one would be.
    mode(&base, 0o666);
    let run = repair(&[]).expect(0);
    assert!(run.stderr.contains("base.toml is ignored"), "{}", run.stderr);
    // What is outside of the work tree is nothing of the file's, by whatever name.
    std::fs::write(place.path("outside.toml"), "min-severity = \"critical\"\n").unwrap();
    std::os::unix::fs::symlink(place.path("outside.toml"), place.path("repo/link.toml")).unwrap();
    for name in ["../../../outside.toml", "../../link.toml"] {
        extends(name);
        let run = repair(&[]).expect(2);
        assert!(run.stderr.contains("extends only what is in"), "{name}: {}", run.stderr);
    }
    // Addresses are not asked.
    extends(&format!("http://127.0.0.1:1/base.toml#sha256={}", "0".repeat(64)));
    let run = repair(&[]).expect(0);
    assert!(run.stderr.contains("extends of a URL is not followed"), "{}", run.stderr);
}

#[test]
fn a_file_that_others_can_write_is_ignored() {
    for (what, bits) in [("file", 0o666), ("file", 0o646), ("folder", 0o777), ("folder", 0o1777)] {
        let place = Place::debian();
        let file = place.path("work/imgfix.toml");
        std::fs::create_dir(place.path("work")).unwrap();
        // Not even what a file that was found may say: all findings would be left alone.
        std::fs::write(&file, "[packages]\ndeny = [\"*\"]\n").unwrap();
        mode(if what == "file" { &file } else { file.parent().unwrap() }, bits);
        let mut command = place.on("repair", &place.image("12"));
        command.args(["-r", &report("debian-12.trivy"), "--format", "json"]);
        let run = ran(command.current_dir(place.path("work"))).expect(0);
        assert_ne!(run.json()["summary"]["packages"], 0, "{what} {bits:o}");
        for want in [&*file.display().to_string(), "is ignored", "can write", "--config"] {
            assert!(run.stderr.contains(want), "{what}: {want} is not in {}", run.stderr);
        }
    }
}

#[test]
fn a_file_of_another_user_above_the_working_directory_is_ignored() {
    if !is_root() {
        eprintln!("NOT CHECKED: files of another user (only root can make them)");
        return;
    }
    let chown = |path: &Path| {
        ran(Command::new("chown").args(["-h", "12345:12345"]).arg(path)).expect(0);
    };
    // The file itself, its folder, and a link of somebody else to a file of root's.
    for case in ["file", "folder", "link"] {
        let place = Place::debian();
        std::fs::create_dir_all(place.path("shared/work")).unwrap();
        let file = place.path("shared/imgfix.toml");
        std::fs::write(&file, hostile(&place)).unwrap();
        match case {
            "file" => chown(&file),
            "folder" => chown(&place.path("shared")),
            _ => {
                std::fs::rename(&file, place.path("real.toml")).unwrap();
                std::os::unix::fs::symlink(place.path("real.toml"), &file).unwrap();
                chown(&place.path("shared"));
            }
        }
        let mut command = place.on("repair", &place.image("12"));
        command.args(["-r", &report("debian-12.trivy")]);
        let run = ran(command.current_dir(place.path("shared/work"))).expect(0);
        assert_powerless(&place, &run);
        for want in ["is ignored", "another user (uid 12345)", "chown"] {
            assert!(run.stderr.contains(want), "{case}: {want} is not in {}", run.stderr);
        }
    }
}

#[test]
fn another_user_reads_its_own_file_and_none_of_a_third() {
    if !is_root() {
        eprintln!("NOT CHECKED: runs as another user (only root can start them)");
        return;
    }
    let place = Place::debian();
    let file = place.path("imgfix.toml");
    std::fs::write(&file, "[packages]\ndeny = [\"*\"]\n").unwrap();
    let check = |owner: &str| {
        let owned = [format!("{owner}:{owner}"), place.dir.path().display().to_string()];
        ran(Command::new("chown").arg("-R").args(&owned)).expect(0);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=12345", "--regid=12345", "--clear-groups"]);
        command.arg(program_for_all(&place)).args(["config", "check"]);
        place.prepare(&mut command);
        ran(&mut command)
    };
    let own = check("12345").expect(0);
    assert!(own.stdout.contains("can be followed"), "{}", own.stdout);
    let roots = check("0");
    assert_eq!(roots.code, Some(0), "{}", roots.stderr);
    let foreign = check("12346").expect(2);
    assert!(foreign.stderr.contains("another user (uid 12346)"), "{}", foreign.stderr);
}

/// The program where any user can start it.
fn program_for_all(place: &Place) -> std::path::PathBuf {
    mode(place.dir.path(), 0o755);
    let program = place.path("imgfix");
    std::fs::copy(common::cli::IMGFIX, &program).unwrap();
    mode(&program, 0o755);
    program
}

#[test]
fn a_pipe_in_the_files_place_stops_nothing() {
    let place = Place::debian();
    ran(Command::new("mkfifo").arg(place.path("imgfix.toml"))).expect(0);
    assert_powerless(&place, &repair(&place, &[]).expect(0));
    assert!(fixture("repository").exists());
}

// --- root's place -------------------------------------------------------------------------

/// Runs a command with the place's `etc` as `/etc`, in a mount namespace of its own, where an
/// ordinary user is root. `None`, loudly, where none can be made.
fn with_etc(place: &Place, command: &Command) -> Option<Ran> {
    let namespace = if is_root() { "-m" } else { "-rm" };
    let inside = |words: &[&std::ffi::OsStr]| {
        let mut command = Command::new("unshare");
        place.prepare(&mut command);
        command.args([namespace, "sh", "-c", "mount --bind \"$0\" /etc && exec \"$@\""]);
        command.arg(place.path("etc")).args(words);
        command
    };
    let possible = ran(&mut inside(&["true".as_ref()]));
    if possible.code != Some(0) {
        eprintln!("NOT CHECKED: /etc/imgfix (no mount namespace here: {})", possible.stderr.trim());
        return None;
    }
    let words: Vec<&std::ffi::OsStr> =
        std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let mut all = inside(&words);
    all.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(ran(&mut all))
}

/// A place whose `etc/imgfix/imgfix.toml` says this.
fn with_roots_file(text: &str) -> Place {
    let place = Place::debian();
    std::fs::create_dir_all(place.path("etc/imgfix")).unwrap();
    for file in ["passwd", "group"] {
        std::fs::copy(Path::new("/etc").join(file), place.path("etc").join(file)).unwrap();
    }
    std::fs::write(place.path("etc/imgfix/imgfix.toml"), text).unwrap();
    place
}

#[test]
fn roots_file_is_under_the_users_and_a_file_that_is_named_goes_before_both() {
    let place = with_roots_file("tag-suffix = \"_etc\"\n[packages]\ndeny = [\"libexpat1\"]\n");
    let write = |path: &str, suffix: &str| {
        let path = place.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("tag-suffix = \"{suffix}\"\n")).unwrap();
        path
    };
    for (how, suffix, roots_holds) in [
        ("root's alone", "_etc", true),
        ("the user's", "_own", true),
        ("the variable", "_variable", false),
        ("the flag", "_flag", false),
        ("no file", "_fix", false),
    ] {
        let mut command = place.on("repair", &place.image("12"));
        command.args(["-r", &report("debian-12.trivy"), "--format", "json"]);
        if how != "root's alone" {
            write("home/.config/imgfix/imgfix.toml", "_own");
        }
        if how == "the variable" || how == "the flag" {
            command.env("IMGFIX_CONFIG", write("variable.toml", "_variable"));
        }
        match how {
            "the flag" => command.arg("--config").arg(write("flag.toml", "_flag")),
            "no file" => command.arg("--no-config"),
            _ => &mut command,
        };
        let Some(run) = with_etc(&place, &command) else { return };
        let run = run.expect(0);
        assert!(!run.stderr.contains("warning"), "{how}: {}", run.stderr);
        assert!(place.tagged(&format!("12{suffix}")).is_some(), "{how}: {}", run.stderr);
        let upgraded = run.json()["platforms"][0]["packages"].to_string();
        assert_eq!(!upgraded.contains("\"libexpat1\""), roots_holds, "{how}: {upgraded}");
    }
}

#[test]
fn a_file_in_roots_place_that_others_can_write_is_ignored() {
    for (what, bits) in [("file", 0o666), ("folder", 0o777), ("owner", 0)] {
        if what == "owner" && !is_root() {
            eprintln!("NOT CHECKED: a file of another user in /etc (only root can make one)");
            continue;
        }
        let place = with_roots_file("tag-suffix = \"_etc\"\n");
        let file = place.path("etc/imgfix/imgfix.toml");
        match what {
            "file" => mode(&file, bits),
            "folder" => mode(file.parent().unwrap(), bits),
            _ => drop(ran(Command::new("chown").arg("12345:12345").arg(&file)).expect(0)),
        }
        let mut command = place.on("repair", &place.image("12"));
        command.args(["-r", &report("debian-12.trivy")]);
        let Some(run) = with_etc(&place, &command) else { return };
        let run = run.expect(0);
        for want in ["/etc/imgfix/imgfix.toml", "is ignored", "chown"] {
            assert!(run.stderr.contains(want), "{what}: {want} is not in {}", run.stderr);
        }
        assert!(place.tagged("12_fix").is_some() && place.tagged("12_etc").is_none(), "{what}");
    }
}
