//! A script never outlives its run, however that ends, and no copy stays for ever.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgfix_shell::sandbox::{Sandbox, Settings};

use super::attacks::in_a_copy;
use super::processes::{is_running, until};
use super::{overlay, run, sandbox, settings};

/// Set in a process that is to be killed: the name of its script.
const NAME: &str = "IMGFIX_TEST_SCRIPT";

/// A script of several processes that ends by nothing that it can prevent.
fn script(name: &str) -> String {
    format!(
        "echo x > /tmp/{name}; trap '' HUP INT TERM QUIT PIPE; \
         perl -e '$0 = \"{name}\"; setpgrp; fork; sleep 600' & sleep 600"
    )
}

/// Run by the tests below in a process of its own.
#[test]
fn a_run_that_waits_to_be_killed() {
    if let Ok(name) = std::env::var(NAME) {
        run(&mut sandbox(), &mut overlay(), &script(&name));
    }
}

#[test]
fn a_script_dies_with_a_run_that_is_killed_and_the_next_run_removes_its_copy() {
    for signal in ["KILL", "TERM", "INT"] {
        let name = format!("imgfix-killed-{signal}-{}", std::process::id());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lifetime::a_run_that_waits_to_be_killed", "--nocapture"])
            .env(NAME, &name)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        until("the script runs", || is_running(&format!("{name}\0")));
        let copy = in_a_copy(&format!("tmp/{name}")).unwrap();
        let arguments = [format!("-{signal}"), child.id().to_string()];
        assert!(Command::new("kill").args(arguments).status().unwrap().success());
        child.wait().unwrap();
        until("it dies", || !is_running(&name));
        assert!(copy.exists());
        drop(sandbox());
        assert!(!copy.exists(), "the copy stays");
        assert!(!copy.ancestors().nth(4).unwrap().exists(), "the folder stays");
    }
}

#[test]
fn an_interruption_ends_a_script_and_removes_its_copy() {
    let name = format!("imgfix-interrupted-{}", std::process::id());
    let settings = settings();
    let unfinished = settings.unfinished.clone();
    let script = script(&name);
    std::thread::spawn(move || {
        let mut sandbox = Sandbox::new(settings).unwrap();
        run(&mut sandbox, &mut overlay(), &script)
    });
    until("the script runs", || is_running(&format!("{name}\0")));
    let copy = in_a_copy(&format!("tmp/{name}")).unwrap();
    let started = Instant::now();
    let _ = unfinished.take_back();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(!is_running(&name));
    assert!(!copy.ancestors().nth(4).unwrap().exists(), "{}", copy.display());
}

/// Neither what a script does to its copy nor what it left in it keeps the copy there.
#[test]
fn a_copy_is_removed_whatever_is_in_it() {
    let name = format!("imgfix-removed-{}", std::process::id());
    let mut sandbox = Sandbox::new(Settings { ..settings() }).unwrap();
    let mut overlay = overlay();
    let script = format!(
        "echo x > /tmp/{name}; mkdir -p /a/b/c; chown -R 77 /a; chmod 0 /a/b/c /a/b /a; \
         ln -s / /a/l; chmod 0 /tmp /"
    );
    run(&mut sandbox, &mut overlay, &script);
    let folders = || {
        let entries = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
        entries.filter(|entry| in_this(&entry.path(), &name)).count()
    };
    let _ = run(&mut sandbox, &mut overlay, "chmod 755 /; chmod 777 /tmp");
    assert_eq!(folders(), 1);
    run(&mut sandbox, &mut overlay, "chmod 0 /tmp /");
    drop(sandbox);
    assert_eq!(folders(), 0);
}

fn in_this(folder: &std::path::Path, name: &str) -> bool {
    folder.join("place/copy/tmp").join(name).exists()
}
