//! Logins that are kept for later runs, as `docker login` keeps them: asked of the registry first,
//! then given to the credential helper that the user's file names, or written into that file.
//!
//! In come a host, a user name and a password; out goes where they are. The file stays what it
//! was but for the one entry, and is readable by its owner alone.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::connection::Connection;
use super::credentials::{Credentials, DOCKER_HUB, Login, Variable, docker_file, helper_of};
use super::failure::Access;
use super::{RegistryOptions, connection};
use crate::{ImageError, Reference};
use imgfix_host::staging::{self, Staged};
use imgfix_host::unfinished::Unfinished;

/// The largest file of logins, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// Where a login is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// A credential helper has it: the program's name.
    Helper(String),
    /// The file has it, not encrypted.
    File(PathBuf),
}

/// A user name and a password for a host (`HOST[:PORT]`; `docker.io` for Docker Hub).
#[derive(Clone)]
pub struct Account {
    /// The registry, as references name it.
    pub host: String,
    /// The user name.
    pub user: String,
    /// The password, or a token in its place.
    pub password: String,
}

/// Asks the registry whether it takes this login.
///
/// # Errors
/// It does not, or it cannot be reached; the host is none.
pub fn check(account: &Account, options: &RegistryOptions) -> Result<(), ImageError> {
    let host = &account.host;
    // A repository that nobody asks for: logins are of a host, references of a repository.
    let text = format!("docker://{host}/imgfix/login:latest");
    let reference = text.parse::<Reference>().ok();
    let Some(Reference::Registry(name)) = reference.filter(|_| !host.contains('/')) else {
        let why = "it is no registry's name; want HOST or HOST:PORT".to_owned();
        return Err(ImageError::Registry { place: host.clone(), why });
    };
    let runtime = connection::runtime(options)?;
    // What is kept already is not asked for: it may be what does not work.
    let options = RegistryOptions { auth_file: None, ..options.clone() };
    runtime.block_on(async {
        let mut connection = Connection::open(&name, host.clone(), &options).await?;
        let login = Login::Basic(account.user.clone(), account.password.clone());
        connection.credentials = Credentials { login, from: None, note: None };
        let asked = async {
            let grant = connection.grant(Access::Read).await?;
            connection.pace.limit(connection.ask_whether_open(&grant)).await?
        };
        asked.await.map_err(|failure| match failure.code() {
            Some(401 | 403) => ImageError::Registry {
                place: host.clone(),
                why: "it refuses this user name and password".to_owned(),
            },
            _ => connection.explain(failure, Access::Read, 1),
        })
    })
}

/// Keeps a login. In which file, or who else has it, the file of `auth_file`, or the usual one,
/// says.
///
/// # Errors
/// The file or the helper does not take it; there is no home to keep it in.
pub fn keep(
    account: &Account,
    auth_file: Option<&Path>,
    variable: Variable<'_>,
    unfinished: &Unfinished,
) -> Result<Kept, String> {
    let path = file(auth_file, variable)?;
    let key = key(&account.host);
    if let Some(name) = helper_of(&path, key) {
        let secret =
            json!({"ServerURL": key, "Username": account.user, "Secret": account.password});
        run_helper(&name, "store", &secret.to_string())?;
        return Ok(Kept::Helper(format!("docker-credential-{name}")));
    }
    let auth = STANDARD.encode(format!("{}:{}", account.user, account.password));
    change(&path, unfinished, |auths| {
        auths.insert(key.to_owned(), json!({ "auth": auth }));
    })?;
    Ok(Kept::File(path))
}

/// Forgets the login of a host. Whether there was one is not always known.
///
/// # Errors
/// The file cannot be read or written; the helper fails.
pub fn forget(
    host: &str,
    auth_file: Option<&Path>,
    variable: Variable<'_>,
    unfinished: &Unfinished,
) -> Result<Kept, String> {
    let path = file(auth_file, variable)?;
    let key = key(host);
    if let Some(name) = helper_of(&path, key) {
        run_helper(&name, "erase", key)?;
        return Ok(Kept::Helper(format!("docker-credential-{name}")));
    }
    if path.exists() {
        change(&path, unfinished, |auths| {
            auths.shift_remove(key);
        })?;
    }
    Ok(Kept::File(path))
}

fn key(host: &str) -> &str {
    match host {
        "docker.io" | "index.docker.io" => DOCKER_HUB,
        host => host,
    }
}

/// The file that logins are written to: the one that was named, else docker's.
fn file(auth_file: Option<&Path>, variable: Variable<'_>) -> Result<PathBuf, String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    auth_file
        .map(Path::to_owned)
        .or_else(|| variable("REGISTRY_AUTH_FILE"))
        .or_else(|| docker_file(&variable))
        .ok_or_else(|| "there is no home directory; name a file with --authfile".to_owned())
}

/// Changes `auths` of a file of logins, and nothing else in it.
fn change(
    path: &Path,
    unfinished: &Unfinished,
    edit: impl FnOnce(&mut Map<String, Value>),
) -> Result<(), String> {
    let shown = path.display();
    let fail = |error: io::Error| format!("{shown}: {error}");
    // What a link leads to is changed, not the link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut config = match std::fs::metadata(&path) {
        Ok(meta) if meta.len() > MAX_FILE => {
            return Err(format!("{shown}: more than {MAX_FILE} bytes"));
        }
        Ok(_) => {
            let bytes = std::fs::read(&path).map_err(fail)?;
            imgfix_json::read(&bytes).map_err(|error| format!("{shown}: {error}"))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => json!({}),
        Err(error) => return Err(fail(error)),
    };
    let auths = config.as_object_mut().map(|config| config.entry("auths").or_insert(json!({})));
    let Some(auths) = auths.and_then(Value::as_object_mut) else {
        return Err(format!("{shown}: it is no file of logins: want an object with \"auths\""));
    };
    edit(auths);
    let folder = staging::parent(&path);
    std::fs::create_dir_all(folder).map_err(fail)?;
    let mut staged = Staged::create_in(folder, unfinished).map_err(fail)?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    staged.file().set_permissions(private).map_err(fail)?;
    let text = format!("{config:#}\n");
    staged.file().write_all(text.as_bytes()).and_then(|()| staged.sync()).map_err(fail)?;
    staged.persist(&path, || {}).map_err(fail)
}

/// Runs `docker-credential-NAME ACTION` with `input`; what it prints may be a secret.
fn run_helper(name: &str, action: &str, input: &str) -> Result<(), String> {
    let program = format!("docker-credential-{name}");
    let fail = |error: io::Error| format!("the credential helper {program} cannot be run: {error}");
    let mut child = Command::new(&program)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(fail)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that ends early says why by its exit code.
        let _ = stdin.write_all(input.as_bytes());
    }
    match child.wait().map_err(fail)?.success() {
        true => Ok(()),
        false => Err(format!("the credential helper {program} failed at {action:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::registry::credentials;

    fn account(host: &str) -> Account {
        Account { host: host.to_owned(), user: "user".to_owned(), password: "secret".to_owned() }
    }

    #[test]
    fn one_entry_of_the_file_changes_and_it_is_private() {
        let home = tempfile::tempdir().unwrap();
        let variable =
            |name: &str| (name == "HOME").then(|| OsString::from(home.path().as_os_str()));
        let config = home.path().join(".docker/config.json");
        let unfinished = Unfinished::default();
        let kept = keep(&account("a.example:5000"), None, &variable, &unfinished).unwrap();
        assert_eq!(kept, Kept::File(config.clone()));
        assert_eq!(config.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let other = r#"{"proxies":{"x":1},"auths":{"b.example":{"auth":"eA=="}},"psFormat":"p"}"#;
        std::fs::write(&config, other).unwrap();
        keep(&account("docker.io"), None, &variable, &unfinished).unwrap();
        let value: Value = imgfix_json::read(&std::fs::read(&config).unwrap()).unwrap();
        assert_eq!(value["proxies"]["x"], 1);
        assert_eq!(value["auths"]["b.example"]["auth"], "eA==");
        assert_eq!(value["auths"][DOCKER_HUB]["auth"], "dXNlcjpzZWNyZXQ=");
        assert_eq!(value["psFormat"], "p");
        let found = credentials::find(Some(&config), "docker.io", "library/debian").unwrap();
        assert_eq!(found.login, Login::Basic("user".into(), "secret".into()));
        forget("docker.io", None, &variable, &unfinished).unwrap();
        let value: Value = imgfix_json::read(&std::fs::read(&config).unwrap()).unwrap();
        assert_eq!(value["auths"], json!({"b.example": {"auth": "eA=="}}));
        let left = std::fs::read_dir(config.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "a partial file is left");
    }

    #[test]
    fn a_link_stays_a_link_and_what_is_no_file_of_logins_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("config.json"), dir.path().join("target.json"));
        std::fs::write(&target, "{}").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let nothing = |_: &str| None;
        keep(&account("a.example"), Some(&link), &nothing, &Unfinished::default()).unwrap();
        assert!(link.is_symlink());
        assert!(std::fs::read_to_string(&target).unwrap().contains("a.example"));
        for text in ["[]", "{\"auths\":1}", "{"] {
            std::fs::write(&target, text).unwrap();
            let kept = keep(&account("a.example"), Some(&link), &nothing, &Unfinished::default());
            assert!(kept.unwrap_err().contains("config.json"), "{text}");
            assert_eq!(std::fs::read_to_string(&target).unwrap(), text);
        }
        let none = keep(&account("a.example"), None, &nothing, &Unfinished::default());
        assert!(none.unwrap_err().contains("--authfile"));
    }
}
