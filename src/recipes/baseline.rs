//! [`BaselineRule`]: a risk of configuration as data: how it is checked, and what repairs it.
//!
//! ```toml
//! schema = 2
//! name = "sshd-permit-root-login"   # the file's name
//! title = "root may log in over SSH with a password"
//! level = "safe"                    # or "opt-in" (only by name or level), or "report" (never done)
//! severity = "high"                 # of a finding of imgfix's own
//! sources = ["https://man.openbsd.org/sshd_config#PermitRootLogin"]
//! ids = ["ssh_root_login"]          # what scanners call it
//! breaks = "logins of root with a password"   # who may be hurt; half a sentence
//!
//! [[check]]                         # each has to hold; it is asked again after the repair
//! what = "setting"
//! file = "/etc/ssh/sshd_config"
//! format = "sshd"
//! key = "PermitRootLogin"
//! not-in = ["yes"]
//! default = "prohibit-password"     # what holds where no file says it
//!
//! [[action]]
//! do = "set-key"
//! file = "/etc/ssh/sshd_config"
//! format = "sshd"
//! key = "PermitRootLogin"
//! value = "prohibit-password"
//! ```
//!
//! There are no conditions beside the checks, and no code: a new rule is data, a new format of
//! settings is Rust. What the words of formats mean is another room's, which says so when rules
//! are loaded.

use imgfix_model::finding::Severity;
use imgfix_model::path::ImagePath;
use serde::Deserialize;

use super::RecipeError;
use super::pattern::Pattern;

/// The most checks, actions, ids or sources of a rule.
const MAX_PARTS: usize = 64;

/// A risk of configuration: checks and what repairs them.
#[derive(Debug, Clone)]
pub struct BaselineRule {
    /// The recipe's name.
    pub recipe: String,
    /// What is wrong where a check does not hold; a main clause.
    pub title: String,
    /// Whether it is done unasked.
    pub level: Level,
    /// Of a finding of imgfix's own.
    pub severity: Severity,
    /// Where it is written that this is a risk: links, or sections of a benchmark.
    pub sources: Vec<String>,
    /// What scanners call it.
    pub ids: Vec<String>,
    /// Who may be hurt by the repair; half a sentence.
    pub breaks: Option<String>,
    /// Never empty. All of them have to hold.
    pub checks: Vec<Check>,
    /// What is done where one does not hold; empty for what is only reported.
    pub actions: Vec<Action>,
}

/// Whether a rule is followed unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// It breaks nothing that is known.
    Safe,
    /// Something may need what it takes away: it is done where the user says so.
    OptIn,
    /// It is told and never done.
    Report,
}

impl Level {
    /// Every level, the most careful first.
    pub const ALL: [Self; 3] = [Self::Safe, Self::OptIn, Self::Report];

    /// The level of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word() == word)
    }

    /// The word in recipes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::OptIn => "opt-in",
            Self::Report => "report",
        }
    }
}

/// What has to hold.
#[derive(Debug, Clone)]
pub enum Check {
    /// A setting of a program.
    Setting(SettingCheck),
    /// Modes and owners of files.
    Modes(ModeCheck),
    /// No account has a fault.
    Accounts(AccountFault),
    /// No file below some folders has a fault.
    Files(FileCheck),
    /// The image's own configuration has no fault.
    Image(ImageFault),
}

/// A setting of a program. Where the file is not there, it holds: the program is not set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingCheck {
    /// Where the setting is.
    pub setting: Setting,
    /// What it may be.
    pub wanted: Wanted,
    /// What holds where no file says it; `None`: then the check holds.
    pub default: Option<String>,
}

/// Where a setting is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// The file with which the program begins.
    pub file: ImagePath,
    /// How the program reads it: a word of the room of settings.
    pub format: String,
    /// The setting's name, as the format has it.
    pub key: String,
}

/// What a setting may be. Values are compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// One of these.
    OneOf(Vec<String>),
    /// None of these.
    NotIn(Vec<String>),
    /// A number that is not larger.
    AtMost(u64),
    /// It is not set.
    Absent,
}

/// Modes and owners of files; links are not followed, and what is not there is right.
#[derive(Debug, Clone)]
pub struct ModeCheck {
    /// Which files.
    pub path: Pattern,
    /// The bits that a mode may have.
    pub at_most: u32,
    /// Users that may own it, the one to set first; empty: whoever.
    pub owners: Vec<String>,
    /// The same of groups.
    pub groups: Vec<String>,
}

/// What is wrong with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountFault {
    /// Whoever gives no password is let in.
    EmptyPassword,
    /// It is not root, has root's number, and can log in.
    SecondRoot,
    /// Another account has its number.
    SameNumber,
    /// Its password is hashed by what is guessed too fast: DES or MD5.
    WeakHash,
    /// Another account has the same hash: the same password, and the same salt.
    SameHash,
}

/// Files with a fault, below some folders.
#[derive(Debug, Clone)]
pub struct FileCheck {
    /// What is looked for.
    pub fault: FileFault,
    /// Where: these and what is below them.
    pub below: Vec<ImagePath>,
    /// Of these those that are meant; empty: all.
    pub paths: Vec<Pattern>,
    /// What is meant to be so.
    pub except: Vec<Pattern>,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFault {
    /// Every user may write it; of a folder: without the bit that keeps others' files (`t`).
    WorldWritable,
    /// It runs with its owner's or group's rights.
    SetId,
    /// It belongs to a number that no account has.
    NoOwner,
    /// It is there.
    Present,
}

/// What is wrong with the image's own configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFault {
    /// Its program runs as root.
    RunsAsRoot,
    /// Nothing says whether the program is well.
    NoHealthcheck,
    /// It offers a port for logins over SSH.
    ExposesSsh,
}

/// What repairs. It is done where a check of the rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The setting is this.
    SetKey {
        /// Which setting.
        setting: Setting,
        /// What it becomes.
        value: String,
    },
    /// The setting is said nowhere.
    RemoveKey {
        /// Which setting.
        setting: Setting,
    },
    /// Files of [`Check::Modes`] lose the bits that they may not have, and get the first owner
    /// and group of the check where theirs may not have them.
    Tighten,
    /// Accounts of [`Check::Accounts`] take no password any more.
    LockAccounts,
    /// Files of [`Check::Files`] lose the bits that are at fault; folders that everybody may
    /// write get the bit that keeps others' files.
    ClearBits,
    /// Files of [`Check::Files`] are removed.
    Remove,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Document {
    #[serde(rename = "schema")]
    _schema: u32,
    pub name: String,
    pub title: String,
    level: Level,
    severity: Severity,
    sources: Vec<String>,
    #[serde(default)]
    ids: Vec<String>,
    breaks: Option<String>,
    check: Vec<CheckTable>,
    #[serde(default)]
    action: Vec<ActionTable>,
}

#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
enum CheckTable {
    #[serde(rename_all = "kebab-case")]
    Setting {
        file: String,
        format: String,
        key: String,
        one_of: Option<Vec<String>>,
        not_in: Option<Vec<String>>,
        at_most: Option<u64>,
        absent: Option<bool>,
        default: Option<String>,
    },
    #[serde(rename_all = "kebab-case")]
    Mode {
        path: String,
        at_most: String,
        #[serde(default)]
        owners: Vec<String>,
        #[serde(default)]
        groups: Vec<String>,
    },
    Accounts {
        fault: AccountFault,
    },
    Files {
        fault: FileFault,
        below: Vec<String>,
        #[serde(default)]
        paths: Vec<String>,
        #[serde(default)]
        except: Vec<String>,
    },
    Image {
        fault: ImageFault,
    },
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum ActionTable {
    SetKey { file: String, format: String, key: String, value: String },
    RemoveKey { file: String, format: String, key: String },
    Tighten {},
    LockAccounts {},
    ClearBits {},
    Remove {},
}

fn path(text: &str) -> Result<ImagePath, String> {
    match ImagePath::new(text) {
        Ok(path) if text.starts_with('/') && path.to_string() == text => Ok(path),
        Ok(_) => Err(format!("{text:?} must be a path from the root, without `.` and `..`")),
        Err(why) => Err(format!("{text:?}: {why}")),
    }
}

fn setting(file: &str, format: String, key: String) -> Result<Setting, String> {
    if key.is_empty() || key.contains(['\n', '\r', '\0']) {
        return Err(format!("key {key:?} is no name of a setting"));
    }
    Ok(Setting { file: path(file)?, format, key })
}

impl CheckTable {
    fn check(self) -> Result<Check, String> {
        let pattern = |text: &String| Pattern::parse(text).map_err(|why| why.to_string());
        Ok(match self {
            Self::Setting { file, format, key, one_of, not_in, at_most, absent, default } => {
                let wanted = match (one_of, not_in, at_most, absent) {
                    (Some(all), None, None, None) if !all.is_empty() => Wanted::OneOf(all),
                    (None, Some(all), None, None) if !all.is_empty() => Wanted::NotIn(all),
                    (None, None, Some(number), None) => Wanted::AtMost(number),
                    (None, None, None, Some(true)) => Wanted::Absent,
                    _ => {
                        let why =
                            "it needs exactly one of one-of, not-in, at-most and absent = true";
                        return Err(why.to_owned());
                    }
                };
                let setting = setting(&file, format, key)?;
                Check::Setting(SettingCheck { setting, wanted, default })
            }
            Self::Mode { path, at_most, owners, groups } => {
                let bits = u32::from_str_radix(&at_most, 8).ok().filter(|bits| *bits <= 0o7777);
                let at_most =
                    bits.ok_or_else(|| format!("at-most {at_most:?} is no mode, as in \"0640\""))?;
                Check::Modes(ModeCheck { path: pattern(&path)?, at_most, owners, groups })
            }
            Self::Accounts { fault } => Check::Accounts(fault),
            Self::Files { fault, below, paths, except } => {
                if below.is_empty() {
                    return Err("below names no folder".to_owned());
                }
                let below = below.iter().map(|text| path(text)).collect::<Result<_, _>>()?;
                let paths = paths.iter().map(pattern).collect::<Result<_, _>>()?;
                let except = except.iter().map(pattern).collect::<Result<_, _>>()?;
                Check::Files(FileCheck { fault, below, paths, except })
            }
            Self::Image { fault } => Check::Image(fault),
        })
    }
}

impl ActionTable {
    fn action(self) -> Result<Action, String> {
        Ok(match self {
            Self::SetKey { file, format, key, value } => {
                if value.contains(['\n', '\r', '\0']) {
                    return Err("value has more than one line".to_owned());
                }
                Action::SetKey { setting: setting(&file, format, key)?, value }
            }
            Self::RemoveKey { file, format, key } => {
                Action::RemoveKey { setting: setting(&file, format, key)? }
            }
            Self::Tighten {} => Action::Tighten,
            Self::LockAccounts {} => Action::LockAccounts,
            Self::ClearBits {} => Action::ClearBits,
            Self::Remove {} => Action::Remove,
        })
    }
}

impl Action {
    /// Whether it can do something about what a check finds.
    #[must_use]
    pub fn is_for(&self, check: &Check) -> bool {
        match (self, check) {
            (Self::SetKey { setting, .. } | Self::RemoveKey { setting }, Check::Setting(own)) => {
                own.setting == *setting
            }
            (Self::Tighten, Check::Modes(_)) | (Self::LockAccounts, Check::Accounts(_)) => true,
            (Self::ClearBits, Check::Files(FileCheck { fault, .. })) => {
                matches!(fault, FileFault::WorldWritable | FileFault::SetId)
            }
            (Self::Remove, Check::Files(FileCheck { fault, .. })) => *fault == FileFault::Present,
            _ => false,
        }
    }
}

impl Document {
    /// The rule that it is; `file` is its name for messages.
    ///
    /// # Errors
    /// It cannot be followed.
    pub fn rule(self, file: &str) -> Result<BaselineRule, RecipeError> {
        let fail = |place: String, why: String| RecipeError::Baseline {
            file: file.to_owned(),
            place,
            why,
        };
        let parts = [self.check.len(), self.action.len(), self.ids.len(), self.sources.len()];
        if parts.iter().any(|count| *count > MAX_PARTS) {
            let why = format!("more than {MAX_PARTS} checks, actions, ids or sources");
            return Err(fail("the recipe".to_owned(), why));
        }
        if self.check.is_empty() || self.sources.is_empty() {
            let why = "it needs a [[check]] and one of sources".to_owned();
            return Err(fail("the recipe".to_owned(), why));
        }
        let numbered = |name: &str, at: usize| format!("[[{name}]] {}", at + 1);
        let checks = self.check.into_iter().enumerate();
        let checks =
            checks.map(|(at, one)| one.check().map_err(|why| fail(numbered("check", at), why)));
        let checks: Vec<Check> = checks.collect::<Result<_, _>>()?;
        let actions = self.action.into_iter().enumerate();
        let actions =
            actions.map(|(at, one)| one.action().map_err(|why| fail(numbered("action", at), why)));
        let actions: Vec<Action> = actions.collect::<Result<_, _>>()?;
        for (at, action) in actions.iter().enumerate() {
            if !checks.iter().any(|check| action.is_for(check)) {
                let why = "no check of the recipe is about what it changes".to_owned();
                return Err(fail(numbered("action", at), why));
            }
        }
        if (self.level == Level::Report) != actions.is_empty() {
            let why =
                "level \"report\" has no [[action]], and every other level has one".to_owned();
            return Err(fail("the recipe".to_owned(), why));
        }
        for (at, check) in checks.iter().enumerate() {
            if !actions.is_empty() && !actions.iter().any(|action| action.is_for(check)) {
                let why = "no [[action]] is about it".to_owned();
                return Err(fail(numbered("check", at), why));
            }
        }
        let Self { name, title, level, severity, sources, ids, breaks, .. } = self;
        let recipe = name;
        Ok(BaselineRule { recipe, title, level, severity, sources, ids, breaks, checks, actions })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recipe;
    use super::*;

    const HEAD: &str = "schema = 2\nname = 'n'\ntitle = 't'\nlevel = 'safe'\nseverity = 'high'\n\
                        sources = ['s']\n";
    const CHECK: &str = "[[check]]\nwhat = 'setting'\nfile = '/etc/a'\nformat = 'ini'\nkey = 'k'\n";
    const ACTION: &str = "[[action]]\ndo = 'set-key'\nfile = '/etc/a'\nformat = 'ini'\nkey = 'k'\n";

    #[test]
    fn a_rule_is_read() {
        let text = format!("{HEAD}{CHECK}not-in = ['yes']\n{ACTION}value = 'no'");
        let rule = Recipe::parse("n.toml", &text).unwrap().baseline.unwrap();
        assert_eq!((rule.level, rule.severity), (Level::Safe, Severity::High));
        let setting = Setting {
            file: ImagePath::literal("/etc/a"),
            format: "ini".to_owned(),
            key: "k".to_owned(),
        };
        let Check::Setting(check) = &rule.checks[0] else { panic!("{rule:?}") };
        assert_eq!(check.setting, setting);
        assert_eq!(check.wanted, Wanted::NotIn(vec!["yes".to_owned()]));
        assert_eq!(rule.actions, [Action::SetKey { setting, value: "no".to_owned() }]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_its_place() {
        let modes = "[[check]]\nwhat = 'mode'\npath = '/etc/shadow'\n";
        let report = HEAD.replace("safe", "report");
        for (text, why) in [
            (format!("{HEAD}{CHECK}not-in = ['a']"), "level \"report\" has no [[action]]"),
            (format!("{report}{CHECK}not-in = ['a']\n{ACTION}value='b'"), "level \"report\""),
            (format!("{HEAD}{CHECK}{ACTION}value='b'"), "[[check]] 1: it needs exactly one of"),
            (
                format!("{HEAD}{CHECK}not-in=['a']\nabsent=true\n{ACTION}value='b'"),
                "[[check]] 1: it needs exactly one of",
            ),
            (format!("{HEAD}{CHECK}not-in=[]\n{ACTION}value='b'"), "exactly one of"),
            (
                format!("{HEAD}{CHECK}absent=true\n{}value='b'", ACTION.replace("'k'", "'l'")),
                "[[action]] 1: no check",
            ),
            (
                format!("{HEAD}{CHECK}absent=true\n{ACTION}value=\"b\\nc\""),
                "[[action]] 1: value has more than one line",
            ),
            (
                format!(
                    "{HEAD}{}absent=true\n{ACTION}value='b'",
                    CHECK.replace("/etc/a", "/etc/../a")
                ),
                "[[check]] 1: \"/etc/../a\"",
            ),
            (
                format!("{HEAD}{}absent=true\n{ACTION}value='b'", CHECK.replace("/etc/a", "etc/a")),
                "from the root",
            ),
            (format!("{HEAD}{modes}at-most='x'\n[[action]]\ndo='tighten'"), "is no mode"),
            (format!("{HEAD}{modes}at-most='77777'\n[[action]]\ndo='tighten'"), "is no mode"),
            (
                format!("{HEAD}{CHECK}absent=true\n{modes}at-most='640'\n[[action]]\ndo='tighten'"),
                "[[check]] 1: no [[action]]",
            ),
            (format!("{HEAD}{CHECK}absent=true\nwhen='x'"), "unknown field `when`"),
            (format!("{HEAD}[[check]]\nwhat='weather'"), "unknown variant `weather`"),
            (HEAD.replace("'high'", "'bad'"), "unknown variant `bad`"),
            (format!("{HEAD}check = []"), "needs a [[check]]"),
            (
                format!("{}{CHECK}absent=true\n{ACTION}value='b'", HEAD.replace("['s']", "[]")),
                "one of sources",
            ),
        ] {
            let error = Recipe::parse("x.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with("recipe x.toml: ") && error.contains(why), "{error}");
        }
    }
}
