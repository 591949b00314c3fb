//! The sandbox end to end: real programs of this machine, copied into a small root, run in
//! namespaces; what they do comes back, and nothing of this machine is in reach.
//!
//! Needs Linux that lets user namespaces be made, `ldd` and perl on the machine, and root or
//! subordinate user numbers. As root, everything is done a second time by an ordinary user
//! with subordinate numbers; that needs util-linux and `newuidmap`.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod attacks;
mod behaviour;
mod budget;
mod disk;
mod lifetime;
mod ordinary_user;
mod others;
#[path = "../common/processes.rs"]
mod processes;
mod resources;

use std::path::PathBuf;
use std::sync::Arc;

use imgfix_host::unfinished::Unfinished;
use imgfix_model::path::ImagePath;
use imgfix_shell::sandbox::{Command, Finished, Limits, Sandbox, Settings, TIME_LIMIT};
use imgfix_shell::{Resources, Stop};
use imgfix_vfs::{Entry, NoLayers, Overlay, Tree};

const NOW: i64 = 1_000_000_000;

const PROGRAMS: [&str; 13] =
    ["sh", "chown", "chmod", "ln", "rm", "ls", "cat", "mkdir", "stat", "id", "sleep", "cp", "perl"];

/// A root with some of this machine's programs and what they are linked to, and a few files.
fn overlay() -> Overlay {
    let file = |content: &str, mode, uid| Entry {
        uid,
        gid: uid,
        ..Entry::file(content.to_owned(), mode, 1)
    };
    let mut entries = vec![
        (ImagePath::literal("/etc/kept"), file("kept\n", 0o640, 33)),
        (ImagePath::literal("/etc/gone"), file("gone\n", 0o644, 0)),
        (ImagePath::literal("/etc/same"), file("same\n", 0o644, 0)),
        (ImagePath::literal("/etc/high"), file("high\n", 0o600, 1_000_650_000)),
        (ImagePath::literal("/etc/out"), Entry::symlink("/../../etc", 1)),
        (ImagePath::literal("/usr/sbin"), Entry::directory(0o755, 1)),
        (ImagePath::literal("/private"), Entry { uid: 7, ..Entry::directory(0o700, 1) }),
        (ImagePath::literal("/private/x"), file("x", 0o600, 7)),
        (ImagePath::literal("/tmp"), Entry::directory(0o1777, 1)),
    ];
    for name in PROGRAMS {
        let (program, libraries) = processes::linked(name);
        for library in libraries {
            let content = std::fs::read(&library).unwrap();
            let path = ImagePath::new(library.to_str().unwrap()).unwrap();
            entries.push((path, Entry::file(content, 0o755, 1)));
        }
        let path = ImagePath::new(format!("/bin/{name}")).unwrap();
        entries.push((path, Entry::file(std::fs::read(program).unwrap(), 0o755, 1)));
    }
    Overlay::new(Arc::new(Tree::from_entries(entries, Arc::new(NoLayers))))
}

/// The built program.
fn helper() -> PathBuf {
    let copied = std::env::var_os(ordinary_user::HELPER);
    copied.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_imgfix")), PathBuf::from)
}

fn settings() -> Settings {
    Settings {
        now: NOW,
        helper: helper(),
        time: TIME_LIMIT,
        limits: Limits::default(),
        resources: Resources::default(),
        unfinished: Unfinished::default(),
    }
}

fn sandbox() -> Sandbox {
    Sandbox::new(settings()).unwrap()
}

fn command(program: &str, script: &str) -> Command {
    let option = if program == "/bin/perl" { "-e" } else { "-c" };
    let argv = [program, option, script].map(Into::into).to_vec();
    let environment = vec![("PATH".into(), "/bin".into()), ("GREETING".into(), "hello".into())];
    Command { argv, environment }
}

fn run(sandbox: &mut Sandbox, overlay: &mut Overlay, script: &str) -> Finished {
    sandbox.run(overlay, &command("/bin/sh", script)).unwrap()
}

fn perl(sandbox: &mut Sandbox, overlay: &mut Overlay, script: &str) -> Result<(u8, String), Stop> {
    let finished = sandbox.run(overlay, &command("/bin/perl", script))?;
    Ok((finished.status, String::from_utf8_lossy(&finished.transcript).into_owned()))
}

fn changed(overlay: &Overlay) -> Vec<String> {
    overlay.changes().map(|(path, _)| path.to_string()).collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
