//! Where libraries of applications come from, as this machine's own tools are set up.
//!
//! In come the environment and the user's files; out come the registries. What an image says of
//! registries is not read.

use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use imgfix_repository::registries::LibraryRegistries;

/// The largest file of settings, in bytes.
const MAX_SETTINGS: u64 = 1 << 20;

/// What this machine's tools would ask.
pub fn of_machine() -> LibraryRegistries {
    let variable = |name: &str| std::env::var(name).ok();
    let texts: Vec<String> =
        npm_files(&variable).iter().filter_map(|file| settings(file)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    LibraryRegistries {
        node: imgfix_node::npmrc::registries(&texts, &variable),
        ..LibraryRegistries::default()
    }
}

/// npm's files, the strongest first: the user's, then this machine's
/// (<https://docs.npmjs.com/cli/configuring-npm/npmrc>).
fn npm_files(variable: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let named = |names: [&str; 2]| names.iter().find_map(|name| variable(name)).map(PathBuf::from);
    let home = etcetera::choose_base_strategy().ok();
    let user = named(["npm_config_userconfig", "NPM_CONFIG_USERCONFIG"])
        .or_else(|| Some(home?.home_dir().join(".npmrc")));
    let machine = match named(["npm_config_globalconfig", "NPM_CONFIG_GLOBALCONFIG"]) {
        Some(file) => vec![file],
        None => vec![PathBuf::from("/usr/local/etc/npmrc"), PathBuf::from("/etc/npmrc")],
    };
    user.into_iter().chain(machine).collect()
}

/// A file of settings; one that is not there, is too large or is not text says nothing.
fn settings(file: &std::path::Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(file).ok()?;
    file.take(MAX_SETTINGS).read_to_string(&mut text).ok()?;
    Some(text)
}
