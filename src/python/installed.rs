//! What distributions of an environment want of each other, and what a change would break.
//!
//! In come the folders of an environment, before and after; out comes the first line that held
//! before and does not any more. What was broken already does not count: `pip check` says after a
//! repair what it said before.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;

use crate::environment::Environment;
use crate::fault::Fault;
use crate::headers;
use crate::marker::Variables;
use crate::names::normalized;
use crate::records;
use crate::requirement::Requirement;
use crate::specifiers::{Specifiers, Version};

/// The largest list of requirements of an egg, in bytes.
const MAX_REQUIRES: usize = 1 << 20;

/// One installed distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// As its metadata writes it.
    pub name: String,
    /// As its metadata writes it.
    pub version: String,
    /// Its lines, each with what it says; half a sentence where it cannot be read.
    pub needs: Vec<(String, Result<Requirement, String>)>,
}

/// A line that would not hold any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Whose line it is, with its version.
    pub by: String,
    /// The line: `Requires-Dist: idna<3`.
    pub line: String,
    /// Whom it is about, in normal form.
    pub about: String,
    /// The version that it does not allow; `None`: nothing of the name is there.
    pub found: Option<String>,
    /// Which versions it allows.
    pub wants: Specifiers,
    /// Why the line cannot be judged, where that is it.
    pub why: Option<String>,
}

/// Every distribution that an interpreter finds in `places`, by its name in normal form. Of those
/// that are there twice the first counts, as for the interpreter.
///
/// # Errors
/// A layer cannot be read.
pub fn installed(
    fs: &dyn FileSystem,
    places: &[ImagePath],
) -> Result<BTreeMap<String, Installed>, Fault> {
    let mut all = BTreeMap::new();
    for place in places {
        let Some(store) = records::find_in(fs, place) else { continue };
        for library in store.libraries {
            let key = normalized(&library.name);
            if all.contains_key(&key) {
                continue;
            }
            let needs = read_all(&needs(fs, &library.path)?);
            let version = library.version.to_string();
            let one = Installed { name: library.name, version, needs };
            all.insert(key, one);
        }
    }
    Ok(all)
}

/// The lines of what is recorded at `path`.
fn needs(fs: &dyn FileSystem, path: &ImagePath) -> Result<Vec<String>, Fault> {
    let Some(record) = fs.read_if_readable(path)? else { return Ok(Vec::new()) };
    // a list that cannot be read is no list: the distribution's own installer read it
    let mut lines = headers::values(&record, "Requires-Dist").unwrap_or_default();
    if path.file_name() == b"PKG-INFO"
        && let Some(folder) = path.parent()
        && let Some(text) = fs.read_if_readable(&folder.join("requires.txt")?)?
    {
        lines.extend(of_egg(&text));
    }
    Ok(lines)
}

/// Requirements as setuptools writes them beside eggs: sections `[EXTRA:MARKER]` with lines.
fn of_egg(text: &[u8]) -> Vec<String> {
    let text = text.get(..MAX_REQUIRES).unwrap_or(text);
    let text = String::from_utf8_lossy(text);
    let (mut lines, mut condition) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let (extra, marker) = section.split_once(':').unwrap_or((section, ""));
            let extra = match extra.trim() {
                "" => String::new(),
                extra => format!("extra == \"{extra}\""),
            };
            condition = match (extra.as_str(), marker.trim()) {
                ("", marker) => marker.to_owned(),
                (extra, "") => extra.to_owned(),
                (extra, marker) => format!("({marker}) and {extra}"),
            };
        } else if condition.is_empty() {
            lines.push(line.to_owned());
        } else {
            lines.push(format!("{line} ; {condition}"));
        }
    }
    lines
}

/// Which extras of each distribution others want, by names in normal form.
fn extras(
    all: &BTreeMap<String, Installed>,
    variables: &Variables,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut extras: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // each round adds one at least, or is the last
    loop {
        let mut found = Vec::new();
        for (key, one) in all {
            let own: Vec<&String> = extras.get(key).into_iter().flatten().collect();
            for need in one.needs.iter().filter_map(|(_, need)| need.as_ref().ok()) {
                if !need.extras.is_empty() && need.applies(variables, &own) {
                    let names = need.extras.iter().map(|extra| normalized(extra));
                    found.extend(names.map(|extra| (normalized(&need.name), extra)));
                }
            }
        }
        let before: usize = extras.values().map(BTreeSet::len).sum();
        for (name, extra) in found {
            extras.entry(name).or_default().insert(extra);
        }
        if extras.values().map(BTreeSet::len).sum::<usize>() == before {
            return extras;
        }
    }
}

/// Lines of metadata, each with what it says.
#[must_use]
pub fn read_all(lines: &[String]) -> Vec<(String, Result<Requirement, String>)> {
    lines.iter().map(|line| (line.clone(), line.parse())).collect()
}

/// The first line that is broken in `after` and was not in `before`, about or of one of `changed`
/// (names in normal form).
#[must_use]
pub fn first_broken(
    before: &BTreeMap<String, Installed>,
    after: &BTreeMap<String, Installed>,
    changed: &BTreeSet<String>,
    environment: &Environment,
) -> Option<Broken> {
    let variables = environment.variables();
    let former: BTreeSet<(String, String)> =
        broken(before, &variables).map(|(key, one)| (key.to_owned(), one.about)).collect();
    let is_new = |key: &str, one: &Broken| {
        (changed.contains(key) || changed.contains(&one.about))
            && !former.contains(&(key.to_owned(), one.about.clone()))
    };
    broken(after, &variables).find(|(key, one)| is_new(key, one)).map(|(_, one)| one)
}

/// Whether the lines of everything allow `version` of `about` (a name in normal form).
#[must_use]
pub fn all_allow(
    all: &BTreeMap<String, Installed>,
    about: &str,
    version: &Version,
    environment: &Environment,
) -> bool {
    let variables = environment.variables();
    let extras = extras(all, &variables);
    all.iter().all(|(key, one)| {
        let own: Vec<&String> = extras.get(key).into_iter().flatten().collect();
        let needs = one.needs.iter().filter_map(|(_, need)| need.as_ref().ok());
        let mut about = needs.filter(|need| normalized(&need.name) == about);
        about.all(|need| !need.applies(&variables, &own) || need.specifiers.allow(version))
    })
}

/// Every line that does not hold, with whose it is.
fn broken<'a>(
    all: &'a BTreeMap<String, Installed>,
    variables: &'a Variables,
) -> impl Iterator<Item = (&'a str, Broken)> {
    let extras = extras(all, variables);
    all.iter().flat_map(move |(key, one)| {
        let own: Vec<String> = extras.get(key).into_iter().flatten().cloned().collect();
        let faults = one.needs.iter().filter_map(move |(line, need)| {
            let wants = need.as_ref().map(|need| need.specifiers.clone()).unwrap_or_default();
            let broken = |about: String, found: Option<String>, why: Option<String>| Broken {
                wants: wants.clone(),
                by: format!("{} {}", one.name, one.version),
                line: format!("Requires-Dist: {line}"),
                about,
                found,
                why,
            };
            let need = match need {
                Ok(need) => need,
                Err(why) => {
                    let name = crate::cursor::Cursor(line.trim()).name()?;
                    return Some(broken(normalized(name), None, Some(why.clone())));
                }
            };
            if !need.applies(variables, &own) {
                return None;
            }
            let about = normalized(&need.name);
            match all.get(&about) {
                None => Some(broken(about, None, None)),
                Some(other) => {
                    let version = other.version.parse::<Version>();
                    let is_allowed = version.is_ok_and(|one| need.specifiers.allow(&one));
                    (!is_allowed).then(|| broken(about, Some(other.version.clone()), None))
                }
            }
        });
        faults.map(move |fault| (key.as_str(), fault))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(of: &[(&str, &str, &[&str])]) -> BTreeMap<String, Installed> {
        let one = |(name, version, needs): &(&str, &str, &[&str])| {
            let needs = needs.iter().map(|line| ((*line).to_owned(), line.parse())).collect();
            let one = Installed { name: (*name).into(), version: (*version).into(), needs };
            (normalized(name), one)
        };
        of.iter().map(one).collect()
    }

    fn environment() -> Environment {
        Environment {
            place: ImagePath::literal("/v/lib/python3.11/site-packages"),
            prefix: ImagePath::literal("/v"),
            is_virtual: true,
            is_isolated: true,
            is_installed: true,
            version: Some(crate::environment::PythonVersion {
                minor: 11,
                micro: Some(7),
                is_free_threaded: false,
            }),
            machine: "x86_64".into(),
            libc: None,
        }
    }

    fn shown(before: &[(&str, &str, &[&str])], after: &[(&str, &str, &[&str])]) -> Option<String> {
        let (before, after) = (set(before), set(after));
        let changed = after
            .iter()
            .filter(|(key, one)| before.get(*key).is_none_or(|old| old.version != one.version))
            .map(|(key, _)| key.clone())
            .collect();
        first_broken(&before, &after, &changed, &environment()).map(|one| {
            format!("{} | {} | {} {:?} {:?}", one.by, one.line, one.about, one.found, one.why)
        })
    }

    #[test]
    fn a_line_that_is_broken_is_named() {
        let requests: (&str, &str, &[&str]) =
            ("requests", "2.25.1", &["idna<3", "Chardet>=3; os_name == 'nt'"]);
        let none: &[&str] = &[];
        assert_eq!(
            shown(&[("idna", "2.10", none), requests], &[("idna", "3.7", none), requests]).unwrap(),
            "requests 2.25.1 | Requires-Dist: idna<3 | idna Some(\"3.7\") None"
        );
        assert_eq!(
            shown(&[("idna", "2.9", none), requests], &[("idna", "2.10", none), requests]),
            None
        );
        // broken before, and still
        assert_eq!(
            shown(&[("idna", "3.1", none), requests], &[("idna", "3.7", none), requests]),
            None
        );
        // its own lines
        let old: (&str, &str, &[&str]) = ("Flask", "2.0.0", &["Werkzeug>=2.0"]);
        let new: (&str, &str, &[&str]) = ("Flask", "2.3.3", &["Werkzeug>=2.3.7", "blinker>=1.6.2"]);
        let werkzeug: (&str, &str, &[&str]) = ("werkzeug", "2.0.0", none);
        assert_eq!(
            shown(&[old, werkzeug], &[new, werkzeug]).unwrap(),
            "Flask 2.3.3 | Requires-Dist: Werkzeug>=2.3.7 | werkzeug Some(\"2.0.0\") None"
        );
        let newer: (&str, &str, &[&str]) = ("werkzeug", "2.3.7", none);
        assert_eq!(
            shown(&[old, newer], &[new, newer]).unwrap(),
            "Flask 2.3.3 | Requires-Dist: blinker>=1.6.2 | blinker None None"
        );
        // not its business
        assert_eq!(
            shown(
                &[("a", "1", &["gone"]), old, newer],
                &[("a", "1", &["gone"]), ("Flask", "2.0.1", old.2), newer]
            ),
            None
        );
    }

    #[test]
    fn extras_that_are_wanted_count() {
        let app: (&str, &str, &[&str]) = ("app", "1", &["requests[socks]"]);
        let requests: (&str, &str, &[&str]) =
            ("requests", "2.25.1", &["PySocks!=1.5.7,<2; extra == 'socks'", "x==1; extra == 'no'"]);
        let none: &[&str] = &[];
        let change = |with: &[(&'static str, &'static str, &'static [&'static str])]| {
            let mut before = with.to_vec();
            before.push(("pysocks", "1.7", none));
            let mut after = with.to_vec();
            after.push(("pysocks", "2.0", none));
            shown(&before, &after)
        };
        let _ = (&app, &requests);
        assert!(
            change(&[
                ("app", "1", &["requests[socks]"]),
                ("requests", "2.25.1", &["PySocks!=1.5.7,<2; extra == 'socks'"])
            ])
            .is_some()
        );
        assert!(
            change(&[("requests", "2.25.1", &["PySocks!=1.5.7,<2; extra == 'socks'"])]).is_none()
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_a_reason() {
        let bad: (&str, &str, &[&str]) = ("a", "1", &["pytz >dev"]);
        let none: &[&str] = &[];
        let found =
            shown(&[("pytz", "1", none), ("a", "1", none)], &[("pytz", "2", none), bad]).unwrap();
        assert!(found.starts_with("a 1 | Requires-Dist: pytz >dev | pytz None Some("), "{found}");
    }

    #[test]
    fn eggs_list_theirs_by_sections() {
        let text = b"a>=1\n\n[:python_version < '3.8']\nb\n\n[socks]\nc\n[x:os_name == 'nt']\nd\n";
        assert_eq!(
            of_egg(text),
            [
                "a>=1",
                "b ; python_version < '3.8'",
                "c ; extra == \"socks\"",
                "d ; (os_name == 'nt') and extra == \"x\""
            ]
        );
    }
}
