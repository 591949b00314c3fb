//! npm's settings of this machine, as far as they say where packages are and who asks
//! (<https://docs.npmjs.com/cli/configuring-npm/npmrc>).
//!
//! In come the texts of `.npmrc` files, the strongest first, and the environment; out come the
//! [`Registries`] of packages of Node. `registry` and `@SCOPE:registry` name them;
//! `//HOST/PATH/:_authToken`, `:_auth`, and `:username` with `:_password` are for what lies below
//! that address. `${NAME}` stands for a variable of the environment.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgfix_repository::access::{Credentials, Token};
use imgfix_repository::registries::{Registries, Registry};
use imgfix_repository::repository_url::Login;

/// What npm asks when nothing is set.
pub const PUBLIC: &str = "https://registry.npmjs.org/";

/// What the files say, the strongest first. `environment` gives variables by their names.
#[must_use]
pub fn registries(files: &[&str], environment: &dyn Fn(&str) -> Option<String>) -> Registries {
    let mut settings = BTreeMap::new();
    // npm takes settings from variables, too, in any case of letters; they are stronger than files
    for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY"] {
        if let Some(url) = environment(name).filter(|url| !url.is_empty()) {
            settings.entry("registry".to_owned()).or_insert(url);
        }
    }
    for text in files {
        for (key, value) in lines(text, environment) {
            settings.entry(key).or_insert(value);
        }
    }
    let mut found = Registries::default();
    for (key, value) in &settings {
        let scope = match key.strip_suffix(":registry") {
            Some(scope) if scope.starts_with('@') => Some(scope.to_owned()),
            _ if key == "registry" => None,
            _ => continue,
        };
        found.places.push(Registry { url: with_slash(value), scope });
    }
    for (key, value) in &settings {
        let Some((place, word)) = key.strip_prefix("//").and_then(|rest| rest.rsplit_once(':'))
        else {
            continue;
        };
        let credentials = match word {
            "_authToken" => Some(Credentials::Token(Token(value.clone()))),
            "_auth" => login(value),
            "username" => {
                let password = settings.get(&format!("//{place}:_password"));
                password.and_then(|password| {
                    let password = String::from_utf8(STANDARD.decode(password).ok()?).ok()?;
                    Some(Credentials::Login(Login { user: value.clone(), password }))
                })
            }
            _ => None,
        };
        // npm sends them over https and http alike; here, over http to this machine only
        for scheme in ["https", "http"] {
            let base = format!("{scheme}://{}", with_slash(place));
            let local = ["localhost", "127.", "[::1]"].iter().any(|host| place.starts_with(host));
            if let Some(credentials) = credentials.clone().filter(|_| scheme == "https" || local) {
                found.logins.push((base, credentials));
            }
        }
    }
    // the longest address counts first
    found.logins.sort_by_key(|(base, _)| std::cmp::Reverse(base.len()));
    found
}

/// The registry of a package: that of its scope, else the one for everything.
#[must_use]
pub fn registry_of<'a>(registries: &'a Registries, name: &str) -> &'a str {
    let scope = name.split_once('/').map(|(scope, _)| scope).filter(|one| one.starts_with('@'));
    let of =
        |wanted: Option<&str>| registries.places.iter().find(|one| one.scope.as_deref() == wanted);
    let scoped = scope.and_then(|scope| of(Some(scope)));
    scoped.or_else(|| of(None)).map_or(PUBLIC, |one| one.url.as_str())
}

/// The address at which an archive is fetched: where a registry names npm's public one, its own
/// host is asked (npm's `replace-registry-host`).
#[must_use]
pub fn archive_url(registries: &Registries, name: &str, url: &str) -> String {
    match url.strip_prefix(PUBLIC) {
        Some(path) => format!("{}{path}", registry_of(registries, name)),
        None => url.to_owned(),
    }
}

fn with_slash(url: &str) -> String {
    let url = url.trim();
    if url.ends_with('/') { url.to_owned() } else { format!("{url}/") }
}

/// `USER:PASSWORD` in Base64.
fn login(auth: &str) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    let login = Login { user: user.to_owned(), password: password.to_owned() };
    Some(Credentials::Login(login))
}

/// Keys and values: `KEY = VALUE`, `;` and `#` for comments. A line whose variable is not set is
/// left out: what is half a secret opens nothing.
fn lines(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#', '[']) {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let (key, value) = (unquoted(key), unquoted(value));
        if let (Some(key), Some(value)) = (filled(key, environment), filled(value, environment)) {
            // in one file the last line counts
            settings.insert(key, value);
        }
    }
    settings
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

/// With the variables of the environment in place of `${NAME}`.
fn filled(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((name, after)) = behind.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&environment(name)?);
        rest = after;
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(found: &Registries) -> Vec<String> {
        let places = found
            .places
            .iter()
            .map(|one| format!("{} {}", one.scope.as_deref().unwrap_or("-"), one.url));
        let logins = found.logins.iter().map(|(base, credentials)| match credentials {
            Credentials::Token(Token(token)) => format!("{base} token {token}"),
            Credentials::Login(login) => format!("{base} {}:{}", login.user, login.password),
            Credentials::Conf(_) => unreachable!(),
        });
        places.chain(logins).collect()
    }

    #[test]
    fn registries_and_tokens_are_those_of_npm() {
        let user = "\
            ; a comment\n\
            registry = https://npm.example/all\n\
            @acme:registry=https://npm.acme.example/\n\
            //npm.acme.example/:_authToken=${NPM_TOKEN}\n\
            //npm.example/all/:_auth=bWU6c2VjcmV0\n\
            //unset.example/:_authToken=${NOT_SET}\n\
            //127.0.0.1:4873/:username=me\n\
            //127.0.0.1:4873/:_password=\"c2VjcmV0\"\n\
            //half.example/:username=me\n\
            strict-ssl=false\n";
        let global = "registry=https://other.example/\n@b:registry=https://b.example\n";
        let environment = |name: &str| (name == "NPM_TOKEN").then(|| "t0ken".to_owned());
        let found = registries(&[user, global], &environment);
        assert_eq!(
            shown(&found),
            [
                "@acme https://npm.acme.example/",
                "@b https://b.example/",
                "- https://npm.example/all/",
                "https://npm.acme.example/ token t0ken",
                "https://npm.example/all/ me:secret",
                "https://127.0.0.1:4873/ me:secret",
                "http://127.0.0.1:4873/ me:secret",
            ]
        );
        for (name, want) in [
            ("lodash", "https://npm.example/all/"),
            ("@acme/x", "https://npm.acme.example/"),
            ("@other/x", "https://npm.example/all/"),
        ] {
            assert_eq!(registry_of(&found, name), want);
        }
        assert_eq!(registry_of(&Registries::default(), "@acme/x"), PUBLIC);
        for (url, want) in [
            ("https://registry.npmjs.org/a/-/a-1.tgz", "https://npm.example/all/a/-/a-1.tgz"),
            ("https://cdn.example/a-1.tgz", "https://cdn.example/a-1.tgz"),
        ] {
            assert_eq!(archive_url(&found, "a", url), want);
        }
    }

    #[test]
    fn the_environment_is_stronger_than_files() {
        let environment =
            |name: &str| (name == "npm_config_registry").then(|| "http://127.0.0.1:1".to_owned());
        let found = registries(&["registry=https://npm.example/"], &environment);
        assert_eq!(shown(&found), ["- http://127.0.0.1:1/"]);
        assert_eq!(registries(&[], &|_| None), Registries::default());
    }

    proptest! {
        #[test]
        fn arbitrary_settings_never_panic(text: String) {
            let _ = registries(&[&text], &|_| Some("x".to_owned()));
        }

        #[test]
        fn near_settings_never_panic(text in "(//|@a|:|registry|=|_auth|_authToken|[$][{]|[}]|x|\n){0,20}") {
            let _ = registries(&[&text], &|_| Some("x".to_owned()));
        }
    }
}
