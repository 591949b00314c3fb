//! Where libraries of applications come from, as this machine's own tools are set up.
//!
//! In come the environment and the user's files; out come the registries. What an image says of
//! registries is not read.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;

use imgfix_repository::registries::{LibraryRegistries, Registries};

use super::exit::Failure;
use super::output::Output;

/// The largest file of settings, in bytes.
const MAX_SETTINGS: u64 = 1 << 20;

/// What gives variables of the environment.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What this machine's tools would ask.
///
/// # Errors
/// An index of pip's settings is no URL; Maven's settings are no XML.
pub fn of_machine(output: &Output) -> Result<LibraryRegistries, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let home = etcetera::choose_base_strategy().ok().map(|base| base.home_dir().to_owned());
    let texts = |files: Vec<PathBuf>| -> Vec<String> {
        files.iter().filter_map(|file| settings(file)).collect()
    };
    let npm = texts(npm_files(home.as_deref(), &variable));
    let pip = texts(pip_files(home.as_deref(), &variable));
    let netrc = variable("NETRC").map(PathBuf::from);
    let netrc = netrc.or_else(|| Some(home.as_ref()?.join(".netrc")));
    let netrc = netrc.and_then(|file| settings(&file));
    let npm: Vec<&str> = npm.iter().map(String::as_str).collect();
    let pip: Vec<&str> = pip.iter().map(String::as_str).collect();
    let python = imgfix_python::pip_conf::registries(&pip, &variable, netrc.as_deref())
        .map_err(|why| Failure::Usage(format!("pip's settings on this machine: {why}")))?;
    let maven = texts(maven_files(home.as_deref(), &variable));
    let java = match maven.first() {
        None => Registries::default(),
        Some(text) => {
            let read = imgfix_java::settings(text.as_bytes(), &variable);
            let read = read.map_err(|why| {
                Failure::Usage(format!("Maven's settings.xml of this machine: {why}"))
            })?;
            read.notes.iter().for_each(|note| output.progress().warn(note));
            read.registries
        }
    };
    Ok(LibraryRegistries { python, node: imgfix_node::npmrc::registries(&npm, &variable), java })
}

/// Maven's files, the user's before this machine's (<https://maven.apache.org/settings.html>). The
/// first that is there counts.
fn maven_files(home: Option<&Path>, variable: Variables<'_>) -> Vec<PathBuf> {
    let maven = variable("MAVEN_HOME").or_else(|| variable("M2_HOME"));
    let user = home.map(|home| home.join(".m2/settings.xml"));
    let machine = maven.map(|maven| Path::new(&maven).join("conf/settings.xml"));
    user.into_iter().chain(machine).chain([PathBuf::from("/etc/maven/settings.xml")]).collect()
}

/// pip's files, the strongest first: what the environment names, that of a virtual environment, the
/// user's, this machine's (<https://pip.pypa.io/en/stable/topics/configuration/>).
fn pip_files(home: Option<&Path>, variable: Variables<'_>) -> Vec<PathBuf> {
    let named = variable("PIP_CONFIG_FILE").filter(|file| !file.is_empty());
    if named.as_deref() == Some("/dev/null") {
        return Vec::new();
    }
    let below = |name: &str, rest: &str| variable(name).map(|folder| Path::new(&folder).join(rest));
    let of_home = |rest: &str| home.map(|home| home.join(rest));
    let user = below("XDG_CONFIG_HOME", "pip/pip.conf").or_else(|| of_home(".config/pip/pip.conf"));
    [
        named.map(PathBuf::from),
        below("VIRTUAL_ENV", "pip.conf"),
        user,
        of_home(".pip/pip.conf"),
        Some(PathBuf::from("/etc/xdg/pip/pip.conf")),
        Some(PathBuf::from("/etc/pip.conf")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// npm's files, the strongest first: the user's, then this machine's
/// (<https://docs.npmjs.com/cli/configuring-npm/npmrc>).
fn npm_files(home: Option<&Path>, variable: Variables<'_>) -> Vec<PathBuf> {
    let named = |names: [&str; 2]| names.iter().find_map(|name| variable(name)).map(PathBuf::from);
    let user = named(["npm_config_userconfig", "NPM_CONFIG_USERCONFIG"])
        .or_else(|| Some(home?.join(".npmrc")));
    let machine = match named(["npm_config_globalconfig", "NPM_CONFIG_GLOBALCONFIG"]) {
        Some(file) => vec![file],
        None => vec![PathBuf::from("/usr/local/etc/npmrc"), PathBuf::from("/etc/npmrc")],
    };
    user.into_iter().chain(machine).collect()
}

/// A file of settings; one that is not there, is too large or is not text says nothing.
fn settings(file: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(file).ok()?;
    file.take(MAX_SETTINGS).read_to_string(&mut text).ok()?;
    Some(text)
}
