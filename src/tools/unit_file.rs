//! systemd units and what enabling one links, as `deb-systemd-helper` reads them: line by
//! line, whatever section a line is in.

use super::files::read_optional;
use imgfix_shell::{Process, Stop};

/// Whose manager a unit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// The system's.
    System,
    /// Every user's.
    User,
}

impl Instance {
    /// Its name in paths.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
        }
    }

    /// Where an administrator's units and links are.
    #[must_use]
    pub fn etc(self) -> String {
        format!("/etc/systemd/{}", self.word())
    }
}

/// How the image's `deb-systemd-helper` reads units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Up to 1.60: links of `WantedBy` where they stand, named as the caller named the unit.
    Plain,
    /// Since 1.61: those links come last, and templates have a `DefaultInstance`.
    Templates,
}

/// A link that enabling a unit makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it is.
    pub path: String,
    /// What it leads to.
    pub target: String,
}

/// How deep `Also=` is followed. Real units stay below 4.
const MAX_DEPTH: usize = 16;

/// The path of a unit; the name itself when no directory has it.
///
/// # Errors
/// A path of a running system.
pub fn find(process: &Process<'_>, instance: Instance, name: &str) -> Result<String, Stop> {
    let folders = [
        instance.etc(),
        format!("/lib/systemd/{}", instance.word()),
        format!("/usr/lib/systemd/{}", instance.word()),
    ];
    for folder in folders {
        let path = format!("{folder}/{name}");
        let found = process.machine.stat(&process.call.directory, path.as_bytes())?;
        if found.is_ok_and(|entry| entry.is_file()) {
            return Ok(path);
        }
    }
    Ok(name.to_owned())
}

/// All links of a unit and of those it names with `Also=`; `Err` with the path of a unit that
/// cannot be read.
///
/// # Errors
/// Units that name each other without end.
pub fn links(
    process: &mut Process<'_>,
    instance: Instance,
    reading: Reading,
    name: &str,
    path: &str,
) -> Result<Result<Vec<Link>, String>, Stop> {
    Closure { instance, reading }.links(process, name, path, &[], 0)
}

struct Closure {
    instance: Instance,
    reading: Reading,
}

impl Closure {
    fn links(
        &self,
        process: &mut Process<'_>,
        name: &str,
        path: &str,
        visited: &[String],
        depth: usize,
    ) -> Result<Result<Vec<Link>, String>, Stop> {
        process.machine.spend(1)?;
        if depth > MAX_DEPTH {
            return Err(process.unsupported("units that name each other too deep"));
        }
        let Some(text) = read_optional(process, path.as_bytes())? else {
            return Ok(Err(path.to_owned()));
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let unit = path.rsplit('/').next().unwrap_or_default();
        let etc = self.instance.etc();
        let mut visited = visited.to_vec();
        let (mut links, mut wanted, mut wanted_as) = (Vec::new(), Vec::new(), unit.to_owned());
        let link = |path: String, target: &str| Link { path, target: target.to_owned() };
        for line in text.lines() {
            let Some((key, value)) = setting(line) else { continue };
            match key.to_ascii_lowercase().as_str() {
                "wantedby" | "requiredby" => {
                    for word in split(value) {
                        let (word, quoted) = unquoted(word);
                        let suffix = match (key, quoted) {
                            ("WantedBy", false) => ".wants",
                            ("RequiredBy", false) => ".requires",
                            _ => "",
                        };
                        let folder = format!("{etc}/{word}{suffix}");
                        match self.reading {
                            Reading::Plain => links.push(link(format!("{folder}/{name}"), path)),
                            Reading::Templates => wanted.push(folder),
                        }
                    }
                }
                "also" => {
                    for word in split(value) {
                        let (word, _) = unquoted(word);
                        let is_new =
                            self.reading == Reading::Plain || !visited.iter().any(|v| v == word);
                        if word == unit || !is_new {
                            continue;
                        }
                        visited.push(word.to_owned());
                        let other = find(process, self.instance, word)?;
                        match self.links(process, word, &other, &visited, depth + 1)? {
                            Ok(more) => links.extend(more),
                            Err(path) => return Ok(Err(path)),
                        }
                    }
                }
                "alias" => {
                    for word in split(value) {
                        let (word, quoted) = unquoted(word);
                        // The program names the link by the last group it captured.
                        let quote = value.trim_start().get(..1).unwrap_or_default();
                        let shown = if quoted { quote } else { value };
                        if word != unit {
                            links.push(link(format!("{etc}/{shown}"), path));
                        }
                    }
                }
                "defaultinstance" if self.reading == Reading::Templates => {
                    let (instance, _) = unquoted(value.trim_start());
                    wanted_as = with_instance(unit, instance);
                }
                _ => {}
            }
        }
        let wanted = wanted.into_iter().map(|folder| format!("{folder}/{wanted_as}"));
        links.extend(wanted.map(|at| link(at, path)));
        Ok(Ok(links))
    }
}

/// `Key=value` with a value.
fn setting(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.trim_start().split_once('=')?;
    (!value.is_empty()).then_some((key, value))
}

/// As perl's `split(/\s+/)`: blanks in front make an empty first word, none at the end.
fn split(value: &str) -> Vec<&str> {
    let leads = value.starts_with(|c: char| c.is_ascii_whitespace());
    let words = value.split_ascii_whitespace();
    match leads {
        true => std::iter::once("").chain(words).collect(),
        false => words.collect(),
    }
}

/// A word without the quotes around it, and whether it had them.
fn unquoted(word: &str) -> (&str, bool) {
    for quote in ['"', '\''] {
        let inner = word.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return (inner, true);
        }
    }
    (word, false)
}

/// `name@.service` with its instance; every other name as it is.
fn with_instance(unit: &str, instance: &str) -> String {
    match unit.rsplit_once('@') {
        Some((name, suffix)) if is_suffix(suffix) => format!("{name}@{instance}{suffix}"),
        _ => unit.to_owned(),
    }
}

fn is_suffix(text: &str) -> bool {
    let word = text.strip_prefix('.').unwrap_or_default();
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_in_perl() {
        assert_eq!(split("a  b "), ["a", "b"]);
        assert_eq!(split(" a"), ["", "a"]);
        assert_eq!(unquoted("\"a b\""), ("a b", true));
        assert_eq!(unquoted("'a"), ("'a", false));
    }

    #[test]
    fn templates_get_their_instance() {
        assert_eq!(with_instance("getty@.service", "tty1"), "getty@tty1.service");
        assert_eq!(with_instance("a.service", "x"), "a.service");
        assert_eq!(with_instance("a@b.service", "x"), "a@b.service");
    }
}
