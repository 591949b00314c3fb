//! Where this machine's pip would look: `pip.conf`, `PIP_INDEX_URL` and `PIP_EXTRA_INDEX_URL`, with
//! logins in URLs and in netrc (<https://pip.pypa.io/en/stable/topics/configuration/>).
//!
//! In come the texts of files and a look into the environment; out come the indexes in the order in
//! which they are asked, and their logins. Nothing is read here: which files there are is the
//! edge's business, and an image's are never among them.

use imgfix_repository::access::Credentials;
use imgfix_repository::registries::{Registries, Registry};
use imgfix_repository::repository_url::Login;

use crate::manager::PUBLIC;

/// The most indexes, and the most logins.
const MAX: usize = 100;

/// The indexes of this machine. `files` are `pip.conf`s, the strongest first;
/// `environment` gives a variable's value; `netrc` is the text of that file.
///
/// # Errors
/// An index is no URL of http or https: half a sentence.
pub fn registries(
    files: &[&str],
    environment: &dyn Fn(&str) -> Option<String>,
    netrc: Option<&str>,
) -> Result<Registries, String> {
    let setting = |key: &str| {
        let variable = format!("PIP_{}", key.to_ascii_uppercase().replace('-', "_"));
        let named = environment(&variable).filter(|text| !text.trim().is_empty());
        named.or_else(|| {
            // what is said for one command goes before what is said for all
            let of = |section| files.iter().find_map(|file| value(file, section, key));
            of("install").or_else(|| of("global"))
        })
    };
    let first = setting("index-url");
    let more = setting("extra-index-url").unwrap_or_default();
    let mut registries = Registries::default();
    let more: Vec<&str> = more.split_whitespace().take(MAX).collect();
    if first.is_none() && more.is_empty() {
        return Ok(registries);
    }
    let first = first.unwrap_or_else(|| PUBLIC.to_owned());
    for text in std::iter::once(first.trim()).chain(more) {
        add(&mut registries, text)?;
    }
    let known = registries.logins.len();
    for (host, login) in netrc.map(logins).unwrap_or_default().into_iter().take(MAX) {
        let base = format!("https://{host}/");
        let is_known = registries.logins.iter().take(known).any(|(own, _)| *own == base);
        if !is_known {
            registries.logins.push((base, Credentials::Login(login)));
        }
    }
    Ok(registries)
}

/// Adds an index; a login of its URL counts for everything of its host.
fn add(registries: &mut Registries, text: &str) -> Result<(), String> {
    // the text may have a login in it: it is not shown
    let mut url = url::Url::parse(text).map_err(|error| format!("an index is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("an index has the scheme {}, not https", url.scheme()));
    }
    let login = Login {
        user: decoded(url.username()),
        password: decoded(url.password().unwrap_or_default()),
    };
    let is_given = !login.user.is_empty() || !login.password.is_empty();
    // of a URL with a host both can be set
    let _ = (url.set_username(""), url.set_password(None));
    if is_given {
        let base = format!("{}/", url.origin().ascii_serialization());
        registries.logins.push((base, Credentials::Login(login)));
    }
    url.set_query(None);
    url.set_fragment(None);
    let mut text = url.to_string();
    if !text.ends_with('/') {
        text.push('/');
    }
    registries.places.push(Registry { url: text, scope: None });
    Ok(())
}

fn decoded(text: &str) -> String {
    crate::index::percent_decoded(text).unwrap_or_else(|| text.to_owned())
}

/// The value of a key in a section of a `pip.conf`, as Python's `configparser` reads it: lines
/// that begin with a blank continue the one before, `-` and `_` are one. Of several the last.
fn value(file: &str, section: &str, key: &str) -> Option<String> {
    let (mut found, mut is_in_section, mut is_in_value) = (None::<String>, false, false);
    for line in file.trim_start_matches('\u{feff}').lines() {
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t']) && !text.is_empty() {
            if let (true, Some(value)) = (is_in_value, &mut found) {
                value.push('\n');
                value.push_str(text);
            }
            continue;
        }
        is_in_value = false;
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_in_section = name.trim() == section;
        } else if is_in_section
            && let Some((name, value)) = text.split_once(['=', ':'])
            && name.trim().to_ascii_lowercase().replace('_', "-") == key
        {
            found = Some(value.trim().to_owned());
            is_in_value = true;
        }
    }
    found.filter(|value| !value.trim().is_empty())
}

/// The logins of a netrc file
/// (<https://docs.python.org/3/library/netrc.html>): hosts with theirs, the first of each. What is
/// for every host (`default`) is passed over: it would go to servers that nobody named.
#[must_use]
pub fn logins(netrc: &str) -> Vec<(String, Login)> {
    let lines = netrc.lines().map(|line| {
        let line = line.trim_start();
        if line.starts_with('#') { "" } else { line }
    });
    let mut words = Vec::new();
    let mut is_macro = false;
    for line in lines {
        // a macro ends with an empty line
        is_macro = (is_macro && !line.trim().is_empty()) || line.starts_with("macdef");
        if !is_macro {
            words.extend(words_of(line));
        }
    }
    let mut all: Vec<(String, Login)> = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if word != "machine" {
            continue;
        }
        let Some(host) = words.next() else { break };
        let (mut user, mut password) = (String::new(), String::new());
        while let Some(key) = words.next_if(|word| !matches!(*word, "machine" | "default")) {
            let value = words.next().unwrap_or_default();
            let value =
                value.strip_prefix('"').and_then(|one| one.strip_suffix('"')).unwrap_or(value);
            match key {
                "login" | "user" => user = value.to_owned(),
                "password" => password = value.to_owned(),
                _ => {}
            }
        }
        let is_host =
            host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
        let is_new = !all.iter().any(|(known, _)| known == host);
        if is_host && is_new && all.len() < MAX && !(user.is_empty() && password.is_empty()) {
            all.push((host.to_owned(), Login { user, password }));
        }
    }
    all
}

/// Words with blanks between; quotes hold blanks together.
fn words_of(line: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), line.trim_start());
    while !rest.is_empty() {
        let (word, behind) = match rest.strip_prefix('"') {
            Some(inside) => inside.split_once('"').unwrap_or((inside, "")),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(
        files: &[&str],
        variables: &[(&str, &str)],
        netrc: Option<&str>,
    ) -> Result<String, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let registries = registries(files, &environment, netrc)?;
        let places: Vec<&str> = registries.places.iter().map(|one| one.url.as_str()).collect();
        let logins = registries.logins.iter().map(|(base, credentials)| match credentials {
            Credentials::Login(login) => format!("{base}={}:{}", login.user, login.password),
            other => format!("{base}={other:?}"),
        });
        let logins: Vec<String> = logins.collect();
        Ok(format!("{} | {}", places.join(" "), logins.join(" ")))
    }

    #[test]
    fn indexes_are_those_of_pip() {
        let file = "[global]\nindex-url = https://me:p%40ss@i.example/simple\n# no\n\
                    extra_index_url =\n    https://a.example/s\n    https://b.example/s/\n\
                    timeout = 60\n[download]\nindex-url = https://no.example/\n";
        assert_eq!(shown(&[], &[], None).unwrap(), " | ");
        assert_eq!(
            shown(&[file], &[], None).unwrap(),
            "https://i.example/simple/ https://a.example/s/ https://b.example/s/ | \
             https://i.example/=me:p@ss"
        );
        let later = "[install]\nINDEX-URL: https://l.example/x?y#z\n";
        assert_eq!(
            shown(&[later, file], &[], None).unwrap(),
            "https://l.example/x/ https://a.example/s/ https://b.example/s/ | "
        );
        let named =
            [("PIP_INDEX_URL", "http://127.0.0.1:8080/simple"), ("PIP_EXTRA_INDEX_URL", "")];
        assert_eq!(
            shown(&[file], &named, None).unwrap(),
            "http://127.0.0.1:8080/simple/ https://a.example/s/ https://b.example/s/ | "
        );
        let extra = [("PIP_EXTRA_INDEX_URL", "https://own.example/s")];
        assert_eq!(
            shown(&[], &extra, None).unwrap(),
            "https://pypi.org/simple/ https://own.example/s/ | "
        );
        for bad in ["file:///wheels", "nothing", "https://"] {
            let error = shown(&[], &[("PIP_INDEX_URL", bad)], None).unwrap_err();
            assert!(error.starts_with("an index "), "{error}");
        }
        let secret = shown(&[], &[("PIP_INDEX_URL", "me:s3cret@x y://")], None).unwrap_err();
        assert!(!secret.contains("s3cret"), "{secret}");
    }

    #[test]
    fn netrc_has_logins_of_hosts() {
        let netrc = "# machine no login x password y\nmachine i.example login me password \"p w\"\n\
                     machine h.example\n  login u\n  account z\n  password p\n\
                     macdef init\nmachine no password x\n\nmachine h.example login late password x\n\
                     default login d password x\nmachine a/b login x password y\n";
        let file = "[global]\nindex-url = https://own:x@i.example/simple\n";
        assert_eq!(
            shown(&[file], &[], Some(netrc)).unwrap(),
            "https://i.example/simple/ | https://i.example/=own:x https://h.example/=u:p"
        );
        assert_eq!(logins("machine"), []);
        assert_eq!(logins("machine a login"), []);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(file: String, netrc in "((machine|login|password|default|macdef|[a-z.]{1,4})[ \n]){0,12}") {
            let _ = registries(&[&file], &|_| None, Some(&netrc));
            let _ = registries(&[&format!("[global]\nindex-url={file}\n")], &|_| None, None);
        }
    }
}
