//! What `imgfix version` says of this build beyond the number of the version: the commit, its date, and the target.
//!
//! In come the repository of this checkout, or what cargo wrote into a published crate (`.cargo_vcs_info.json`); out go
//! variables for `env!` and `option_env!`. A build without either has no commit, and says so. So does a debug build: a
//! developer's next commit would compile everything anew that knows it.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=IMGFIX_TARGET={}", variable("TARGET"));
    println!("cargo:rustc-env=IMGFIX_FEATURES={}", features().join(" "));
    if variable("PROFILE") == "debug" {
        return;
    }
    let root = variable("CARGO_MANIFEST_DIR");
    let root = Path::new(&root);
    let Some((commit, date)) = published(root).or_else(|| checked_out(root)) else { return };
    println!("cargo:rustc-env=IMGFIX_COMMIT={commit}");
    if let Some(date) = date {
        println!("cargo:rustc-env=IMGFIX_COMMIT_DATE={date}");
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Cargo's features of this build, sorted, without `default`, which only stands for others.
fn features() -> Vec<String> {
    let mut names: Vec<String> = std::env::vars()
        .filter_map(|(key, _)| Some(key.strip_prefix("CARGO_FEATURE_")?.to_lowercase()))
        .map(|name| name.replace('_', "-"))
        .filter(|name| name != "default")
        .collect();
    names.sort();
    names
}

/// The commit of a crate as `cargo package` makes it. It has no date.
fn published(root: &Path) -> Option<(String, Option<String>)> {
    let file = root.join(".cargo_vcs_info.json");
    let text = std::fs::read_to_string(&file).ok()?;
    // One that is not there must not be named: cargo would run this anew, and compile the program, each time.
    println!("cargo:rerun-if-changed={}", file.display());
    let (_, rest) = text.split_once("\"sha1\"")?;
    let commit = rest.split('"').nth(1)?;
    is_commit(commit).then(|| (commit.to_owned(), None))
}

/// The commit and its date (UTC) of the repository whose top this folder is. A repository further up is somebody
/// else's, who has this source in it.
fn checked_out(root: &Path) -> Option<(String, Option<String>)> {
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    // The log of HEAD grows with each commit, checkout and reset; HEAD itself often stays as it is.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(root, &["rev-parse", "--git-path", file]) {
            println!("cargo:rerun-if-changed={}", root.join(path).display());
        }
    }
    let log = ["log", "-1", "--date=format-local:%Y-%m-%d", "--format=%H %cd"];
    let line = git(root, &log)?;
    let (commit, date) = line.split_once(' ')?;
    is_commit(commit).then(|| (commit.to_owned(), Some(date.to_owned())))
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What git prints, without the end of the line; `None` when there is no git, or it refuses.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .env("TZ", "UTC0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
