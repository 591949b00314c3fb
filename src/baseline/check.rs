//! [`problems`]: what a rule finds in an image. In come the rule, the image's files and how it
//! runs; out come problems with their places, or why the question has no answer.

use std::fmt;

use imgfix_model::location::ConfigField;
use imgfix_model::path::ImagePath;
use imgfix_recipes::baseline::{BaselineRule, Check, ImageFault, SettingCheck, Wanted};
use imgfix_settings::{Format, effective};
use imgfix_vfs::{Entry, FileSystem};

use crate::{accounts, files};

/// The most problems of one rule that are told.
pub(crate) const MAX_PROBLEMS: usize = 10_000;

/// Where a problem is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file, or a line of it, counted from 1.
    File(ImagePath, Option<u32>),
    /// An account.
    Account(String),
    /// A part of the image's own configuration.
    Image(ConfigField),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, None) => path.fmt(f),
            Self::File(path, Some(line)) => write!(f, "{path}:{line}"),
            Self::Account(name) => write!(f, "account {name}"),
            Self::Image(_) => f.write_str("the image's configuration"),
        }
    }
}

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Half a sentence: what is there.
    pub what: String,
}

/// How the image's program is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFacts {
    /// `config.User`.
    pub user: String,
    /// Whether `config.Healthcheck` has a command.
    pub has_healthcheck: bool,
    /// `config.ExposedPorts`: `22/tcp`.
    pub ports: Vec<String>,
}

/// What a rule finds, sorted by place. `image` is not known everywhere: then nothing is said of
/// how it runs.
///
/// # Errors
/// What is asked cannot be read; a sentence that names the file.
pub fn problems(
    rule: &BaselineRule,
    fs: &dyn FileSystem,
    image: Option<&RunFacts>,
) -> Result<Vec<Problem>, String> {
    let mut found = Vec::new();
    for check in &rule.checks {
        match check {
            Check::Setting(check) => found.extend(setting(check, fs)?),
            Check::Modes(check) => found.extend(files::modes(check, fs)?),
            Check::Accounts(fault) => found.extend(accounts::problems(*fault, fs)?),
            Check::Files(check) => found.extend(files::faults(check, fs)?),
            Check::Image(fault) => found.extend(image.and_then(|image| of_image(*fault, image))),
        }
    }
    found.sort();
    found.dedup();
    found.truncate(MAX_PROBLEMS);
    Ok(found)
}

fn setting(check: &SettingCheck, fs: &dyn FileSystem) -> Result<Option<Problem>, String> {
    let setting = &check.setting;
    if !fs.stat(&setting.file).is_some_and(Entry::is_file) {
        return Ok(None);
    }
    let format: Format = setting.format.parse().map_err(|why| format!("{why}"))?;
    let found =
        effective(fs, format, &setting.file, &setting.key).map_err(|why| why.to_string())?;
    let key = &setting.key;
    let (value, place) = match (&found, &check.default) {
        (Some(found), _) => {
            (found.value.as_str(), Place::File(found.file.clone(), Some(found.line)))
        }
        (None, Some(default)) => (default.as_str(), Place::File(setting.file.clone(), None)),
        (None, None) => return Ok(None),
    };
    let has = |all: &[String]| all.iter().any(|one| one.eq_ignore_ascii_case(value.trim()));
    let holds = match &check.wanted {
        Wanted::OneOf(all) => has(all),
        Wanted::NotIn(all) => !has(all),
        Wanted::AtMost(most) => value.trim().parse::<u64>().is_ok_and(|number| number <= *most),
        Wanted::Absent => found.is_none(),
    };
    let what = match (&found, value) {
        (None, value) => format!("{key} is not set, which means {value}"),
        (Some(_), "") => format!("{key} is set"),
        (Some(_), value) => format!("{key} is {value}"),
    };
    Ok((!holds).then_some(Problem { place, what }))
}

fn of_image(fault: ImageFault, image: &RunFacts) -> Option<Problem> {
    let what = match fault {
        ImageFault::RunsAsRoot => {
            let user = image.user.split(':').next().unwrap_or_default();
            let is_root = matches!(user, "" | "root") || user.parse() == Ok(0_u32);
            is_root.then(|| match user {
                "" => "no user is set, which means root".to_owned(),
                user => format!("the user is {user}"),
            })
        }
        ImageFault::NoHealthcheck => {
            (!image.has_healthcheck).then(|| "there is no health check".to_owned())
        }
        ImageFault::ExposesSsh => {
            let is_ssh = |port: &&String| matches!(port.as_str(), "22" | "22/tcp");
            image.ports.iter().find(is_ssh).map(|port| format!("port {port} is exposed"))
        }
    };
    let field = match fault {
        ImageFault::RunsAsRoot => ConfigField::User,
        ImageFault::NoHealthcheck => ConfigField::Healthcheck,
        ImageFault::ExposesSsh => ConfigField::ExposedPorts,
    };
    what.map(|what| Problem { place: Place::Image(field), what })
}
