//! [`problems`]: what a rule finds in an image. In come the rule, the image's files and how it
//! runs; out come problems with their places, or why the question has no answer.

use std::fmt;

use imgfix_model::location::ConfigField;
use imgfix_model::path::ImagePath;
use imgfix_recipes::baseline::{BaselineRule, Check, ImageFault, SettingCheck, Wanted};
use imgfix_settings::{Format, holding};
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

/// What holds for the program, and what holds for it under a condition: in a `Match` of sshd's, a
/// `server` of nginx's, a group for one version.
fn setting(check: &SettingCheck, fs: &dyn FileSystem) -> Result<Vec<Problem>, String> {
    let setting = &check.setting;
    if !fs.stat(&setting.file).is_some_and(Entry::is_file) {
        return Ok(Vec::new());
    }
    let format: Format = setting.format.parse().map_err(|why| format!("{why}"))?;
    let (file, key) = (&setting.file, &setting.key);
    let (always, sometimes) = holding(fs, format, file, key).map_err(|why| why.to_string())?;
    let mut found = Vec::new();
    match (&always, &check.default) {
        (None, Some(default)) if !may_be(&check.wanted, default) => found.push(Problem {
            place: Place::File(file.clone(), None),
            what: format!("{key} is not set, which means {default}"),
        }),
        _ => {}
    }
    for place in always.into_iter().chain(sometimes) {
        if may_be(&check.wanted, &place.value) {
            continue;
        }
        let mut what = match place.value.as_str() {
            "" => format!("{key} is set"),
            value => format!("{key} is {value}"),
        };
        if let Some(condition) = &place.condition {
            what.push_str(&format!(" ({condition})"));
        }
        found.push(Problem { place: Place::File(place.file, Some(place.line)), what });
    }
    Ok(found)
}

/// Whether a setting may have a value.
fn may_be(wanted: &Wanted, value: &str) -> bool {
    let value = value.trim();
    let has = |all: &[String]| all.iter().any(|one| one.eq_ignore_ascii_case(value));
    match wanted {
        Wanted::OneOf(all) => has(all),
        Wanted::NotIn(all) => !has(all),
        Wanted::AtMost(most) => value.parse::<u64>().is_ok_and(|number| number <= *most),
        Wanted::Absent => false,
    }
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

#[cfg(test)]
mod tests {
    use imgfix_recipes::shipped_rules;

    use super::*;
    use crate::testing::overlay;

    fn found(recipe: &str, path: &str, text: &str) -> Vec<String> {
        let rule = shipped_rules().unwrap().into_iter().find(|rule| rule.recipe == recipe).unwrap();
        let found = problems(&rule, &overlay(&[(path, text, 0o600)]), None).unwrap();
        found.iter().map(|one| format!("{}: {}", one.place, one.what)).collect()
    }

    #[test]
    fn what_holds_counts_and_what_holds_under_a_condition() {
        let root = "sshd-permit-root-login";
        let sshd = "/etc/ssh/sshd_config";
        assert_eq!(found(root, sshd, "Port 22\n"), Vec::<String>::new());
        assert_eq!(
            found(root, sshd, "PermitRootLogin no\nPermitRootLogin yes\n"),
            Vec::<String>::new()
        );
        assert_eq!(
            found(root, sshd, "permitrootlogin yes\n"),
            ["/etc/ssh/sshd_config:1: PermitRootLogin is yes"]
        );
        let matched =
            found(root, sshd, "PermitRootLogin no\nMatch User root\nPermitRootLogin yes\n");
        assert_eq!(matched.len(), 1, "{matched:?}");
        assert!(
            matched[0].starts_with("/etc/ssh/sshd_config:3: PermitRootLogin is yes ("),
            "{matched:?}"
        );
    }

    #[test]
    fn a_default_counts_where_nothing_is_set() {
        assert_eq!(
            found("mongod-authorization", "/etc/mongod.conf", "net:\n  port: 27017\n"),
            ["/etc/mongod.conf: security.authorization is not set, which means disabled"]
        );
        assert_eq!(
            found("mysql-bind-address", "/etc/my.cnf", "[mysqld]\nuser=x\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_cannot_be_read_is_no_answer() {
        let rule = shipped_rules()
            .unwrap()
            .into_iter()
            .find(|rule| rule.recipe == "mongod-authorization")
            .unwrap();
        let image = overlay(&[("/etc/mongod.conf", "security: {authorization: [\n", 0o600)]);
        let why = problems(&rule, &image, None).unwrap_err();
        assert!(why.contains("/etc/mongod.conf"), "{why}");
    }
}
