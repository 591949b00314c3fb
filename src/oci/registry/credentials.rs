//! Where the credentials of a registry come from.
//!
//! The files are those that docker, podman, skopeo and buildah share
//! (containers-auth.json(5), <https://docs.docker.com/reference/cli/docker/login/>): the
//! first one that has an entry for the registry counts. Credential helpers are run by
//! `docker_credential`. What a helper printed is never shown: it may be a secret. Before the files
//! comes [`TEXT`], a variable with what such a file would have: docker reads it since 28.3, and
//! GitLab's runners set it.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde_json::{Map, Value};

/// The variable with logins as text, in the form of docker's `config.json`. Only its `auths` count,
/// as for docker: no helper is run for it.
pub const TEXT: &str = "DOCKER_AUTH_CONFIG";

/// Under which key docker keeps the login for Docker Hub.
pub(super) const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What is presented to a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// Nothing: for public repositories.
    Anonymous,
    /// User name and password.
    Basic(String, String),
    /// A refresh token, exchanged for an access token
    /// (<https://distribution.github.io/distribution/spec/auth/oauth/>).
    IdentityToken(String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Basic(user, _) => write!(f, "Basic({user:?}, …)"),
            Self::IdentityToken(_) => f.write_str("IdentityToken(…)"),
        }
    }
}

/// A login and where it was found.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// What is presented.
    pub login: Login,
    /// The file that has it; `None` for [`Login::Anonymous`].
    pub from: Option<PathBuf>,
    /// Why there may be none although a file seemed to have some. Shown when the registry
    /// refuses anonymous access.
    pub note: Option<String>,
}

/// A file of credentials and how its keys are written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AuthFile {
    path: PathBuf,
    keys: Keys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// Docker's: a host.
    Host,
    /// containers-auth.json(5): a host, or a repository or a namespace of it.
    Namespace,
}

/// The credentials for `repository` on `host` (as references write it: `docker.io`).
///
/// # Errors
/// A file that was named by `auth_file` cannot be read.
pub fn find(auth_file: Option<&Path>, host: &str, repository: &str) -> Result<Credentials, String> {
    find_with(auth_file, host, repository, &|name| std::env::var_os(name))
}

fn find_with(
    auth_file: Option<&Path>,
    host: &str,
    repository: &str,
    variable: Variable<'_>,
) -> Result<Credentials, String> {
    if let Some(path) = auth_file
        && !path.is_file()
    {
        return Err(format!("there is no credentials file {}", path.display()));
    }
    let mut note = None;
    let text = auth_file.is_none().then(|| variable(TEXT)).flatten();
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        match in_text(&text, host, repository) {
            Ok(Some(login)) => {
                return Ok(Credentials { login, from: Some(TEXT.into()), note: None });
            }
            Ok(None) => {}
            Err(why) => note = Some(why),
        }
    }
    for file in auth_files(auth_file, variable) {
        for key in keys(file.keys, host, repository) {
            match in_file(&file.path, &key) {
                Ok(Some(login)) => {
                    return Ok(Credentials { login, from: Some(file.path), note: None });
                }
                Ok(None) => {}
                Err(why) if auth_file.is_some() => return Err(why),
                // an image may be public: what is wrong with one file must not be in its way
                Err(why) => note = note.or(Some(why)),
            }
        }
    }
    Ok(Credentials { login: Login::Anonymous, from: None, note })
}

/// The files that may have credentials, whether they are there or not.
#[must_use]
pub fn files(auth_file: Option<&Path>, variable: Variable<'_>) -> Vec<PathBuf> {
    candidates(auth_file, variable).into_iter().map(|file| file.path).collect()
}

/// Looks up a variable of the environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The program that is run for the credentials of `repository` on `host`, if a file names one.
#[must_use]
pub fn helper(
    auth_file: Option<&Path>,
    host: &str,
    repository: &str,
    variable: Variable<'_>,
) -> Option<String> {
    let named = |file: AuthFile| {
        let keys = keys(file.keys, host, repository);
        keys.iter().find_map(|key| helper_of(&file.path, key))
    };
    let name = auth_files(auth_file, variable).into_iter().find_map(named)?;
    Some(format!("docker-credential-{name}"))
}

/// A program that may be run for credentials when it is not known yet for which registry.
#[must_use]
pub fn any_helper(auth_file: Option<&Path>, variable: Variable<'_>) -> Option<String> {
    let named = |file: AuthFile| helper_in(&file.path, |helpers| helpers.values().next());
    let name = auth_files(auth_file, variable).into_iter().find_map(named)?;
    Some(format!("docker-credential-{name}"))
}

fn auth_files(auth_file: Option<&Path>, variable: Variable<'_>) -> Vec<AuthFile> {
    let mut files = candidates(auth_file, variable);
    if auth_file.is_none() {
        files.retain(|file| file.path.is_file());
    }
    files
}

fn candidates(auth_file: Option<&Path>, variable: Variable<'_>) -> Vec<AuthFile> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = auth_file {
        return vec![AuthFile { path: path.to_owned(), keys: Keys::Namespace }];
    }
    let home = variable("HOME");
    let explicit_docker = variable("DOCKER_CONFIG").is_some();
    let docker = docker_file(&variable).map(|path| AuthFile { path, keys: Keys::Host });
    let containers = [
        variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        variable("XDG_CONFIG_HOME")
            .or_else(|| home.map(|home| home.join(".config")))
            .map(|dir| dir.join("containers/auth.json")),
    ];
    let containers = containers.into_iter().flatten();
    let containers = containers.map(|path| AuthFile { path, keys: Keys::Namespace });
    let mut files: Vec<AuthFile> = variable("REGISTRY_AUTH_FILE")
        .map(|path| AuthFile { path, keys: Keys::Namespace })
        .into_iter()
        .collect();
    match explicit_docker {
        true => files.extend(docker.into_iter().chain(containers)),
        false => files.extend(containers.chain(docker)),
    }
    files
}

/// Docker's own file of logins.
pub(super) fn docker_file(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let folder =
        variable("DOCKER_CONFIG").or_else(|| variable("HOME").map(|home| home.join(".docker")));
    Some(folder?.join("config.json"))
}

/// The keys under which a file may have the credentials, the most specific first.
fn keys(style: Keys, host: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    if style == Keys::Namespace {
        let mut name = Some(repository);
        while let Some(namespace) = name {
            keys.push(format!("{host}/{namespace}"));
            name = namespace.rsplit_once('/').map(|(parent, _)| parent);
        }
    }
    if host == "docker.io" {
        keys.push(DOCKER_HUB.to_owned());
        keys.push("index.docker.io".to_owned());
    }
    keys.push(host.to_owned());
    keys
}

/// What [`TEXT`] has for a repository. What is wrong with it is told without its words.
fn in_text(text: &OsStr, host: &str, repository: &str) -> Result<Option<Login>, String> {
    let invalid = || format!("the variable {TEXT} is no JSON of docker's config.json");
    let config: serde_json::Value =
        imgfix_json::read(text.as_encoded_bytes()).map_err(|_| invalid())?;
    let Some(auths) = config.get("auths") else { return Ok(None) };
    let auths = serde_json::json!({ "auths": auths }).to_string();
    for key in keys(Keys::Namespace, host, repository) {
        if let Some(login) = look_up(auths.as_bytes(), TEXT, &key, || None)? {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

fn in_file(path: &Path, key: &str) -> Result<Option<Login>, String> {
    let shown = path.display().to_string();
    let file = File::open(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    look_up(BufReader::new(file), &shown, key, || helper_of(path, key))
}

/// What `config`, known to people as `shown`, has under `key`; `helper` is the helper that it names
/// for it.
fn look_up(
    config: impl Read,
    shown: &str,
    key: &str,
    helper: impl FnOnce() -> Option<String>,
) -> Result<Option<Login>, String> {
    match docker_credential::get_credential_from_reader(config, key) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            // Azure's way of writing a refresh token
            let login = match user.as_str() {
                "<token>" => Login::IdentityToken(password),
                _ => Login::Basic(user, password),
            };
            Ok(Some(login))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Login::IdentityToken(token))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // a helper's way of saying that it has none; what it prints is not shown
        Err(CredentialRetrievalError::HelperFailure { helper, stdout, .. }) => {
            match stdout.contains("not found") {
                true => Ok(None),
                false => Err(format!("the credential helper {helper} that {shown} names failed")),
            }
        }
        Err(CredentialRetrievalError::HelperCommunicationError) => {
            let helper = helper().unwrap_or_default();
            Err(format!(
                "the credential helper docker-credential-{helper} that {shown} names cannot be \
                 run; install it, or take it out of there"
            ))
        }
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

/// The helper that a file names for a key, without its prefix; for an error.
pub(super) fn helper_of(path: &Path, key: &str) -> Option<String> {
    helper_in(path, |helpers| helpers.get(key))
}

/// What a file's `credHelpers` have for `pick`, or else its `credsStore`.
fn helper_in(path: &Path, pick: impl Fn(&Map<String, Value>) -> Option<&Value>) -> Option<String> {
    let config: Value = imgfix_json::read(&std::fs::read(path).ok()?).ok()?;
    let named = config.get("credHelpers").and_then(Value::as_object).and_then(pick);
    let named = named.or_else(|| config.get("credsStore"))?.as_str()?;
    Some(named.chars().filter(|c| !c.is_control()).take(100).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    // user:secret
    const AUTH: &str = "dXNlcjpzZWNyZXQ=";

    struct Home(tempfile::TempDir);

    impl Home {
        fn new(files: &[(&str, String)]) -> Self {
            let home = tempfile::tempdir().expect("dir");
            for (name, content) in files {
                let path = home.path().join(name);
                std::fs::create_dir_all(path.parent().expect("parent")).expect("dir");
                std::fs::write(path, content).expect("write");
            }
            Self(home)
        }

        fn find(&self, host: &str, repository: &str, extra: &[(&str, &str)]) -> Credentials {
            let variable = |name: &str| {
                let extra = extra.iter().find(|(key, _)| *key == name);
                match (extra, name) {
                    (Some((_, path)), _) => Some(self.0.path().join(path).into_os_string()),
                    (None, "HOME") => Some(self.0.path().as_os_str().to_owned()),
                    _ => None,
                }
            };
            find_with(None, host, repository, &variable).expect("credentials")
        }
    }

    fn auths(key: &str) -> String {
        format!(r#"{{"auths":{{"{key}":{{"auth":"{AUTH}"}}}}}}"#)
    }

    fn basic() -> Login {
        Login::Basic("user".into(), "secret".into())
    }

    #[test]
    fn a_helper_of_any_registry_is_known() {
        for (config, want) in [
            (r#"{"credHelpers":{"gcr.io":"gcloud"}}"#, Some("docker-credential-gcloud")),
            (r#"{"credsStore":"desktop"}"#, Some("docker-credential-desktop")),
            (r#"{"credHelpers":{}}"#, None),
            (&auths("ghcr.io"), None),
        ] {
            let home = Home::new(&[(".docker/config.json", config.to_owned())]);
            let path = home.0.path().as_os_str().to_owned();
            let found = any_helper(None, &|name| (name == "HOME").then(|| path.clone()));
            assert_eq!(found.as_deref(), want, "{config}");
        }
    }

    #[test]
    fn the_usual_files_are_found_in_their_order() {
        let home = Home::new(&[
            (".docker/config.json", auths("ghcr.io")),
            ("other/config.json", auths("quay.io")),
            (".config/containers/auth.json", auths("registry.example/team")),
        ]);
        assert_eq!(home.find("ghcr.io", "a/b", &[]).login, basic());
        assert_eq!(
            home.find("ghcr.io", "a/b", &[("DOCKER_CONFIG", "other")]).login,
            Login::Anonymous
        );
        assert_eq!(home.find("quay.io", "a", &[("DOCKER_CONFIG", "other")]).login, basic());
        let file = [("REGISTRY_AUTH_FILE", "other/config.json")];
        assert_eq!(home.find("quay.io", "a", &file).login, basic());
        assert_eq!(home.find("registry.example", "team/app", &[]).login, basic());
        assert_eq!(home.find("registry.example", "other/app", &[]).login, Login::Anonymous);
    }

    #[test]
    fn logins_in_a_variable_go_before_files_and_run_no_helper() {
        let home = Home::new(&[(
            ".docker/config.json",
            r#"{"auths":{"a.example":{"auth":"b3RoZXI6b3RoZXI="}}}"#.to_owned(),
        )]);
        let find = |text: &str, host: &str| {
            let variable = |name: &str| match name {
                TEXT => Some(OsString::from(text)),
                "HOME" => Some(home.0.path().as_os_str().to_owned()),
                _ => None,
            };
            find_with(None, host, "team/app", &variable).expect("credentials")
        };
        let found = find(&auths("a.example"), "a.example");
        assert_eq!((found.login, found.from), (basic(), Some(TEXT.into())));
        assert_eq!(find(&auths("a.example/team"), "a.example").login, basic());
        let other = || Login::Basic("other".into(), "other".into());
        assert_eq!(find(&auths("b.example"), "a.example").login, other());
        let helper = r#"{"credsStore":"x","credHelpers":{"b.example":"x"}}"#;
        assert_eq!(find(helper, "a.example").login, other());
        assert_eq!(find(helper, "b.example").login, Login::Anonymous);
        for broken in ["secret", "{\"auths\":", "[]"] {
            let found = find(broken, "b.example");
            assert_eq!(found.login, Login::Anonymous, "{broken}");
            assert!(found.note.is_none_or(|note| !note.contains("secret")), "{broken}");
        }
    }

    #[test]
    fn docker_hub_has_many_names() {
        for key in ["https://index.docker.io/v1/", "index.docker.io", "docker.io"] {
            let home = Home::new(&[(".docker/config.json", auths(key))]);
            assert_eq!(home.find("docker.io", "library/debian", &[]).login, basic(), "{key}");
        }
    }

    #[test]
    fn identity_tokens_are_told_from_passwords() {
        let entry = r#"{"auths":{"a.example":{"auth":"dXNlcjo=","identitytoken":"secret"}}}"#;
        let home = Home::new(&[(".docker/config.json", entry.to_owned())]);
        let found = home.find("a.example", "app", &[]);
        assert_eq!(found.login, Login::IdentityToken("secret".into()));
        assert!(!format!("{found:?}").contains("secret"));
        assert!(!format!("{:?}", basic()).contains("secret"));
    }

    #[test]
    fn a_broken_helper_or_file_is_a_note() {
        let helper = r#"{"credsStore":"imgfix-does-not-exist"}"#.to_owned();
        let home = Home::new(&[(".docker/config.json", helper)]);
        let found = home.find("a.example", "app", &[]);
        assert_eq!(found.login, Login::Anonymous);
        let file = home.0.path().join(".docker/config.json");
        assert_eq!(
            found.note,
            Some(format!(
                "the credential helper docker-credential-imgfix-does-not-exist that {} names \
                 cannot be run; install it, or take it out of there",
                file.display()
            ))
        );
        let variable = |name: &str| (name == "HOME").then(|| home.0.path().as_os_str().to_owned());
        let named = super::helper(None, "a.example", "app", &variable);
        assert_eq!(named.as_deref(), Some("docker-credential-imgfix-does-not-exist"));
        assert_eq!(files(None, &variable).len(), 2);
        let by_host = r#"{"credHelpers":{"a.example":"imgfix-gone"},"credsStore":"x"}"#.to_owned();
        let home = Home::new(&[(".docker/config.json", by_host)]);
        let note = home.find("a.example", "app", &[]).note.expect("note");
        assert!(note.contains(" docker-credential-imgfix-gone that "), "{note}");
        let broken = Home::new(&[(".docker/config.json", "{".to_owned())]);
        let found = broken.find("a.example", "app", &[]);
        assert!(found.note.is_some_and(|note| note.contains("config.json")));
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let missing = Path::new("/nonexistent/auth.json");
        let error = find(Some(missing), "a.example", "app").expect_err("missing");
        assert!(error.contains("/nonexistent/auth.json"), "{error}");
    }
}
