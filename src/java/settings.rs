//! Maven's `settings.xml`: mirrors, servers and the repositories of active profiles
//! (<https://maven.apache.org/settings.html>). In comes its text; out come the registries that are
//! asked for libraries, with their logins. A local repository is no place to fetch from.

use std::collections::BTreeMap;

use imgfix_repository::access::Credentials;
use imgfix_repository::registries::{Registries, Registry};
use imgfix_repository::repository_url::Login;
use imgfix_xml::{Token, Xml};

/// Maven Central.
pub const CENTRAL: &str = "https://repo.maven.apache.org/maven2/";

/// The largest file, in bytes.
const MAX_SETTINGS: u64 = 4 << 20;

/// What settings say of where artifacts are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where artifacts are asked for, and what is used there.
    pub registries: Registries,
    /// What could not be used, a sentence each.
    pub notes: Vec<String>,
}

/// An element with its texts, by its way below the top.
type Fields = BTreeMap<String, String>;

/// Reads settings. `variable` gives the environment's for `${env.NAME}`.
///
/// # Errors
/// It is no XML, or too large; half a sentence.
pub fn settings(
    text: &[u8],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, String> {
    let Read { mirrors, servers, profiles, active } = read(text)?;
    let mut found = Settings::default();
    let value = |fields: &Fields, name: &str| {
        let text = fields.get(name).map(String::as_str).unwrap_or_default();
        interpolated(text.trim(), variable)
    };
    let mut places = Vec::new();
    for profile in &profiles {
        let id = value(&profile.fields, "id");
        let by_default = value(&profile.fields, "activation/activeByDefault") == "true";
        if by_default || active.contains(&id) {
            places.extend(profile.repositories.iter());
        }
    }
    let mut central = Fields::new();
    central.insert("id".into(), "central".into());
    central.insert("url".into(), CENTRAL.into());
    if !places.iter().any(|one| value(one, "id") == "central") {
        places.push(&central);
    }
    for place in places {
        let (id, url) = (value(place, "id"), value(place, "url"));
        let mirror = mirrors.iter().find(|one| stands_for(&value(one, "mirrorOf"), &id, &url));
        let (id, url) = match mirror {
            Some(mirror) => (value(mirror, "id"), value(mirror, "url")),
            None => (id, url),
        };
        let Some(url) = base(&url) else {
            found.notes.push(format!("the repository {id} has no URL that can be used"));
            continue;
        };
        if found.registries.places.iter().any(|one| one.url == url) {
            continue;
        }
        found.registries.places.push(Registry { url: url.clone(), scope: None });
        let Some(server) = servers.iter().find(|one| value(one, "id") == id) else { continue };
        let (user, password) = (value(server, "username"), value(server, "password"));
        if password.starts_with('{') && password.ends_with('}') {
            let why = "has an encrypted password, which only Maven can read";
            found.notes.push(format!("the server {id} {why}"));
        } else if !user.is_empty() {
            let login = Credentials::Login(Login { user, password });
            found.registries.logins.push((url, login));
        }
    }
    Ok(found)
}

/// Whether a list of `mirrorOf` has a repository.
fn stands_for(list: &str, id: &str, url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let is_external = !matches!(host, "localhost" | "127.0.0.1") && !url.starts_with("file:");
    let mut found = false;
    for one in list.split(',').map(str::trim) {
        match one {
            one if one.strip_prefix('!') == Some(id) => return false,
            "*" => found = true,
            "external:*" => found |= is_external,
            "external:http:*" => found |= is_external && url.starts_with("http:"),
            one => found |= one == id,
        }
    }
    found
}

/// A URL that can be asked, with a slash at its end.
fn base(url: &str) -> Option<String> {
    let is_url = ["https://", "http://", "file://"].iter().any(|scheme| url.starts_with(scheme));
    let is_plain = !url.chars().any(|c| c.is_control() || c.is_whitespace());
    (is_url && is_plain).then(|| format!("{}/", url.trim_end_matches('/')))
}

/// With the environment's variables in their places; one that is not there is empty.
fn interpolated(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${env.") {
        let Some((name, after)) = behind.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&variable(name).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

#[derive(Default)]
struct Profile {
    fields: Fields,
    repositories: Vec<Fields>,
}

#[derive(Default)]
struct Read {
    mirrors: Vec<Fields>,
    servers: Vec<Fields>,
    profiles: Vec<Profile>,
    active: Vec<String>,
}

fn read(text: &[u8]) -> Result<Read, String> {
    let mut xml = Xml::new(text, MAX_SETTINGS);
    let mut found = Read::default();
    let mut way: Vec<String> = Vec::new();
    loop {
        match xml.next().map_err(|error| error.to_string())? {
            Token::Eof => return Ok(found),
            Token::End(_) => {
                way.pop();
            }
            Token::Start(element) => {
                way.push(element.name().to_owned());
                let way: Vec<&str> = way.iter().map(String::as_str).collect();
                match way[..] {
                    ["settings", "mirrors", "mirror"] => found.mirrors.push(Fields::new()),
                    ["settings", "servers", "server"] => found.servers.push(Fields::new()),
                    ["settings", "profiles", "profile"] => found.profiles.push(Profile::default()),
                    ["settings", "profiles", "profile", "repositories", "repository"] => {
                        if let Some(profile) = found.profiles.last_mut() {
                            profile.repositories.push(Fields::new());
                        }
                    }
                    _ => {}
                }
            }
            Token::Text(text) => {
                let way: Vec<&str> = way.iter().map(String::as_str).collect();
                let (fields, name) = match way[..] {
                    ["settings", "mirrors", "mirror", name] => (found.mirrors.last_mut(), name),
                    ["settings", "servers", "server", name] => (found.servers.last_mut(), name),
                    ["settings", "profiles", "profile", "repositories", "repository", name] => {
                        let profile = found.profiles.last_mut();
                        (profile.and_then(|one| one.repositories.last_mut()), name)
                    }
                    ["settings", "profiles", "profile", "activation", "activeByDefault"] => {
                        let profile = found.profiles.last_mut();
                        (profile.map(|one| &mut one.fields), "activation/activeByDefault")
                    }
                    ["settings", "profiles", "profile", name] => {
                        (found.profiles.last_mut().map(|one| &mut one.fields), name)
                    }
                    ["settings", "activeProfiles", "activeProfile"] => {
                        let name = text.trim();
                        if !name.is_empty() {
                            found.active.push(name.to_owned());
                        }
                        continue;
                    }
                    _ => continue,
                };
                if let Some(fields) = fields {
                    fields.entry(name.to_owned()).or_default().push_str(&text);
                }
            }
        }
    }
}

/// The versions that a `maven-metadata.xml` lists, in its order.
///
/// # Errors
/// It is no XML, or too large; half a sentence.
pub fn metadata_versions(text: &[u8]) -> Result<Vec<String>, String> {
    let mut xml = Xml::new(text, MAX_METADATA);
    let mut way: Vec<String> = Vec::new();
    let mut versions: Vec<String> = Vec::new();
    loop {
        match xml.next().map_err(|error| error.to_string())? {
            Token::Eof => break,
            Token::End(_) => {
                way.pop();
            }
            Token::Start(element) => {
                way.push(element.name().to_owned());
                if way == ["metadata", "versioning", "versions", "version"] {
                    versions.push(String::new());
                }
            }
            Token::Text(text) => {
                let is_version = way == ["metadata", "versioning", "versions", "version"];
                if let Some(version) = versions.last_mut().filter(|_| is_version) {
                    version.push_str(&text);
                }
            }
        }
    }
    let mut versions: Vec<String> =
        versions.iter().map(|version| version.trim().to_owned()).collect();
    versions.retain(|version| crate::manifest::is_version(version));
    Ok(versions)
}

/// The largest `maven-metadata.xml`, in bytes.
pub const MAX_METADATA: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let variable = |name: &str| (name == "SECRET").then(|| "s3cret".to_owned());
        let found = settings(text.as_bytes(), &variable).unwrap();
        let mut lines: Vec<String> =
            found.registries.places.iter().map(|one| one.url.clone()).collect();
        for (url, login) in &found.registries.logins {
            let Credentials::Login(login) = login else { panic!() };
            lines.push(format!("{url} {} {}", login.user, login.password));
        }
        lines.extend(found.notes);
        lines
    }

    #[test]
    fn a_mirror_takes_the_place_of_what_it_stands_for() {
        let nexus = "<settings><localRepository>/x</localRepository><mirrors><mirror><id>nexus</id>\
                     <mirrorOf>*,!own</mirrorOf><url>https://nexus.example/maven</url></mirror>\
                     </mirrors><servers><server><id>nexus</id><username>me</username>\
                     <password>${env.SECRET}</password></server><server><id>own</id>\
                     <username>you</username><password>{COQLCE6DU6GtcS5P=}</password></server>\
                     </servers><profiles><profile><id>p</id><repositories><repository><id>own</id>\
                     <url>https://own.example/r/</url></repository></repositories></profile>\
                     <profile><id>q</id><repositories><repository><id>no</id><url>https://no/</url>\
                     </repository></repositories></profile></profiles><activeProfiles>\
                     <activeProfile>p</activeProfile></activeProfiles></settings>";
        assert_eq!(
            shown(nexus),
            [
                "https://own.example/r/",
                "https://nexus.example/maven/",
                "https://nexus.example/maven/ me s3cret",
                "the server own has an encrypted password, which only Maven can read",
            ]
        );
        assert_eq!(shown("<settings/>"), [CENTRAL]);
        assert!(settings(b"<!DOCTYPE x []><settings/>", &|_| None).is_err());
        assert!(settings(b"<settings><mirrors>", &|_| None).is_err());
    }

    #[test]
    fn lists_of_mirrors_have_words_of_their_own() {
        for (list, id, url, want) in [
            ("central", "central", "https://a/", true),
            ("a, central", "central", "https://a/", true),
            ("*,!central", "central", "https://a/", false),
            ("external:*", "a", "https://a.example/", true),
            ("external:*", "a", "http://localhost:8081/", false),
            ("external:*", "a", "file:///x", false),
            ("external:http:*", "a", "https://a.example/", false),
            ("other", "a", "https://a/", false),
        ] {
            assert_eq!(stands_for(list, id, url), want, "{list} {id} {url}");
        }
    }

    #[test]
    fn metadata_lists_versions() {
        let text = b"<metadata><versioning><latest>3</latest><versions><version>1.0</version>\
                     <version> 2.0 </version><version>../3</version></versions></versioning>\
                     </metadata>";
        assert_eq!(metadata_versions(text).unwrap(), ["1.0", "2.0"]);
    }
}
