//! `/etc/debconf.conf`: where the databases are and how debconf is to behave.
//!
//! Read as debconf.conf(5) says: paragraphs that end at two newlines; the first names the two
//! databases and holds settings, the others define databases. Evaluated are `File` databases
//! in the usual format and stacks of them; other drivers, read-only databases and the
//! `DEBCONF_DB_*` variables are a [`Stop`].

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice as _};
use regex::bytes::Regex;

use imgfix_shell::{Environment, Stop};

/// What debconf.conf says.
#[derive(Debug)]
pub struct Configuration {
    settings: Settings,
    /// The files of the question database, the first that accepts a question holds it.
    pub questions: Vec<FileSetup>,
    /// The files of the template database.
    pub templates: Vec<FileSetup>,
}

/// A `File` database.
#[derive(Debug, Clone)]
pub struct FileSetup {
    pub filename: BString,
    /// Of a new file, before the umask.
    pub mode: u32,
    /// Whether the former file is kept as `-old`.
    pub backup: Backup,
    pub filter: Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    Kept,
    None,
}

/// Which items a database takes.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub accept_type: Option<Regex>,
    pub reject_type: Option<Regex>,
    pub accept_name: Option<Regex>,
    pub reject_name: Option<Regex>,
}

impl Filter {
    /// Whether an item is taken; an unknown type is not judged.
    #[must_use]
    pub fn accepts(&self, name: &[u8], kind: Option<&[u8]>) -> bool {
        let fits = |text: &[u8], accept: &Option<Regex>, reject: &Option<Regex>| {
            accept.as_ref().is_none_or(|accept| accept.is_match(text))
                && reject.as_ref().is_none_or(|reject| !reject.is_match(text))
        };
        fits(name, &self.accept_name, &self.reject_name)
            && kind.is_none_or(|kind| fits(kind, &self.accept_type, &self.reject_type))
    }
}

type Settings = BTreeMap<BString, BString>;

impl Configuration {
    /// Parses the file. Variables of the environment may stand in it.
    ///
    /// # Errors
    /// It cannot be parsed, or sets up something that is not evaluated.
    pub fn parse(text: &[u8], environment: &Environment) -> Result<Self, Stop> {
        let mut paragraphs = Vec::new();
        for paragraph in text.split_str("\n\n") {
            let settings = parse_paragraph(paragraph, environment)?;
            if !settings.is_empty() {
                paragraphs.push(settings);
            }
        }
        let mut paragraphs = paragraphs.into_iter();
        let settings = paragraphs.next().unwrap_or_default();
        let databases: Vec<Settings> = paragraphs.collect();
        let files = |role: &str| {
            let name = settings.get(role.as_bytes().as_bstr());
            let name = name.ok_or_else(|| bad(format!("it names no {role} database")))?;
            files_of(&databases, name)
        };
        let (questions, templates) = (files("config")?, files("templates")?);
        Ok(Self { settings, questions, templates })
    }

    /// A setting of the first paragraph: `priority`, `admin_email`.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&[u8]> {
        self.settings.get(name.as_bytes().as_bstr()).map(|value| &value[..])
    }
}

fn bad(why: String) -> Stop {
    Stop::new(format!("debconf is not set up as usual: {why}"))
}

fn parse_paragraph(text: &[u8], environment: &Environment) -> Result<Settings, Stop> {
    let value = |name: &[u8]| environment.get(name.as_bstr()).map(|value| &value[..]);
    let mut settings = Settings::new();
    for line in super::text::expand(text, value).split_str("\n") {
        let line = line.trim();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let Some((key, value)) = line.split_once_str(":") else {
            return Err(bad(format!("the line '{}' of debconf.conf", line.as_bstr())));
        };
        let key = key.trim().replace("-", "_").to_ascii_lowercase();
        settings.insert(key.into(), value.trim().into());
    }
    Ok(settings)
}

/// The files behind a database, in the order of the stack.
fn files_of(databases: &[Settings], name: &BString) -> Result<Vec<FileSetup>, Stop> {
    let find = |name: &[u8]| {
        let mut all = databases.iter().rev();
        let found = all.find(|database| get(database, "name") == Some(name));
        found.ok_or_else(|| bad(format!("there is no database {}", name.as_bstr())))
    };
    let database = find(name)?;
    match get(database, "driver") {
        Some(b"File") => Ok(vec![file_setup(database)?]),
        Some(b"Stack") => {
            let names = stack_names(get(database, "stack").unwrap_or_default());
            names.iter().map(|name| file_setup(find(name)?)).collect()
        }
        other => {
            let driver = other.unwrap_or_default().as_bstr();
            Err(bad(format!("the database {name} has the driver '{driver}'")))
        }
    }
}

/// The names between commas that a blank follows.
fn stack_names(text: &[u8]) -> Vec<BString> {
    let mut names: Vec<BString> = Vec::new();
    let mut start = 0;
    for at in text.find_iter(b",") {
        if text.get(at + 1).is_some_and(super::text::is_space) {
            names.push(super::text::trim_end(text.get(start..at).unwrap_or_default()).into());
            start = at + 2;
        }
    }
    names.push(text.get(start..).unwrap_or_default().trim().into());
    names.retain(|name| !name.is_empty());
    names
}

fn get<'a>(database: &'a Settings, key: &str) -> Option<&'a [u8]> {
    database.get(key.as_bytes().as_bstr()).map(|value| &value[..])
}

fn file_setup(database: &Settings) -> Result<FileSetup, Stop> {
    let name = get(database, "name").unwrap_or_default().as_bstr().to_string();
    if get(database, "driver") != Some(b"File") {
        return Err(bad(format!("the database {name} of a stack is not a File")));
    }
    let usual = [("format", "822"), ("readonly", "false")];
    for (key, value) in usual {
        if get(database, key).is_some_and(|set| !set.eq_ignore_ascii_case(value.as_bytes())) {
            return Err(bad(format!("the database {name} has its own {key}")));
        }
    }
    let Some(filename) = get(database, "filename") else {
        return Err(bad(format!("the database {name} has no Filename")));
    };
    let mode = get(database, "mode").unwrap_or(b"600");
    let mode = std::str::from_utf8(mode).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
    let Some(mode) = mode.filter(|mode| *mode <= 0o7777) else {
        return Err(bad(format!("the database {name} has a Mode that is no number")));
    };
    let backup = match get(database, "backup") {
        Some(value) if value.eq_ignore_ascii_case(b"false") => Backup::None,
        _ => Backup::Kept,
    };
    let pattern = |key: &str| match get(database, key) {
        None => Ok(None),
        Some(text) => {
            let pattern = std::str::from_utf8(text).ok().and_then(|text| Regex::new(text).ok());
            pattern.map(Some).ok_or_else(|| bad(format!("the pattern {key} of {name}")))
        }
    };
    let filter = Filter {
        accept_type: pattern("accept_type")?,
        reject_type: pattern("reject_type")?,
        accept_name: pattern("accept_name")?,
        reject_name: pattern("reject_name")?,
    };
    Ok(FileSetup { filename: filename.into(), mode, backup, filter })
}

#[cfg(test)]
pub(super) const USUAL: &str = "# comment\n\nConfig: configdb\nTemplates: templatedb\n\n\
    Name: config\nDriver: File\nMode: 644\nReject-Type: password\n\
    Filename: /var/cache/debconf/config.dat\n\n\
    # Not world readable.\nName: passwords\nDriver: File\nMode: 600\nBackup: false\n\
    Required: false\nAccept-Type: password\nFilename: /var/cache/debconf/passwords.dat\n\n\
    Name: configdb\nDriver: Stack\nStack: config, passwords\n\n\
    Name: templatedb\nDriver: File\nMode: 644\nFilename: /var/cache/debconf/templates.dat\n\n\
    #Name: remotedb\n#Driver: LDAP\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Configuration, Stop> {
        Configuration::parse(text.as_bytes(), &Environment::new())
    }

    #[test]
    fn debians_file_means_two_stacked_files_and_one() {
        let configuration = parse(USUAL).unwrap();
        let names: Vec<_> = configuration.questions.iter().map(|file| &file.filename).collect();
        assert_eq!(names, ["/var/cache/debconf/config.dat", "/var/cache/debconf/passwords.dat"]);
        let [questions, passwords] = &configuration.questions[..] else { panic!() };
        assert_eq!((questions.mode, questions.backup), (0o644, Backup::Kept));
        assert_eq!((passwords.mode, passwords.backup), (0o600, Backup::None));
        assert!(!questions.filter.accepts(b"a", Some(b"password")));
        assert!(passwords.filter.accepts(b"a", Some(b"password")));
        assert!(!passwords.filter.accepts(b"a", Some(b"string")));
        assert!(questions.filter.accepts(b"a", None));
    }

    #[test]
    fn other_databases_are_stops() {
        for (from, to, why) in [
            ("Driver: Stack", "Driver: LDAP", "driver 'LDAP'"),
            ("Mode: 600", "Readonly: true", "readonly"),
            ("config, passwords", "config, remote", "no database remote"),
            ("config, passwords", "config,passwords", "no database config,passwords"),
        ] {
            let stop = parse(&USUAL.replace(from, to)).unwrap_err();
            assert!(stop.detail.contains(why), "{stop}");
        }
    }
}
