//! [`Rules`]: rules of recipes that go together, and [`RuleChoice`]: which of them are followed.

use std::collections::{BTreeMap, BTreeSet};

use imgfix_model::finding::Finding;
use imgfix_recipes::baseline::{Action, BaselineRule, Check, Level, Setting};
use imgfix_settings::Format;

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Two recipes have one name.
    #[error("there are two recipes {0}")]
    Twice(String),
    /// A recipe names a format of settings that nobody knows.
    #[error("recipe {recipe}: {why}")]
    Format {
        /// The recipe's name.
        recipe: String,
        /// What the room of settings says.
        why: String,
    },
    /// Two recipes would set one key differently, or one sets what the other removes.
    #[error("the recipes {one} and {other} both change {key} of {file}, and not to the same")]
    Contradiction {
        /// A recipe's name.
        one: String,
        /// The other's.
        other: String,
        /// The setting.
        key: String,
        /// The file with which its program begins.
        file: String,
    },
    /// The user's choice names a recipe that there is not.
    #[error("there is no recipe {0}; 'imgfix recipes list' shows them")]
    Unknown(String),
}

/// Which rules are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleChoice {
    /// Rules of this level and of those before it are followed.
    pub level: Level,
    /// Followed, whatever their level.
    pub enabled: BTreeSet<String>,
    /// Not followed.
    pub disabled: BTreeSet<String>,
}

impl Default for RuleChoice {
    fn default() -> Self {
        Self { level: Level::Safe, enabled: BTreeSet::new(), disabled: BTreeSet::new() }
    }
}

/// Why a rule is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFollowed {
    /// The user's choice names it.
    Disabled,
    /// Its level is above the chosen one.
    Level,
    /// It only reports.
    ReportOnly,
}

impl RuleChoice {
    /// Why this rule is not followed; `None`: it is.
    #[must_use]
    pub fn left(&self, rule: &BaselineRule) -> Option<NotFollowed> {
        if self.disabled.contains(&rule.recipe) {
            return Some(NotFollowed::Disabled);
        }
        if rule.actions.is_empty() {
            return Some(NotFollowed::ReportOnly);
        }
        let is_followed = rule.level <= self.level || self.enabled.contains(&rule.recipe);
        (!is_followed).then_some(NotFollowed::Level)
    }
}

/// Rules that go together.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    all: Vec<BaselineRule>,
}

impl Rules {
    /// Takes rules, sorted by name.
    ///
    /// # Errors
    /// They do not go together, or one names what is not known.
    pub fn new(mut all: Vec<BaselineRule>) -> Result<Self, RuleError> {
        all.sort_by(|a, b| a.recipe.cmp(&b.recipe));
        if let Some((one, _)) =
            all.iter().zip(all.iter().skip(1)).find(|(a, b)| a.recipe == b.recipe)
        {
            return Err(RuleError::Twice(one.recipe.clone()));
        }
        let mut changed: BTreeMap<&Setting, (&str, Option<&str>)> = BTreeMap::new();
        for rule in &all {
            let recipe = &rule.recipe;
            for setting in settings(rule) {
                let known = setting.format.parse::<Format>();
                known.map_err(|why| RuleError::Format {
                    recipe: recipe.clone(),
                    why: why.to_string(),
                })?;
            }
            for action in &rule.actions {
                let (setting, value) = match action {
                    Action::SetKey { setting, value } => (setting, Some(value.as_str())),
                    Action::RemoveKey { setting } => (setting, None),
                    _ => continue,
                };
                match changed.insert(setting, (recipe, value)) {
                    Some((other, before)) if before != value => {
                        return Err(RuleError::Contradiction {
                            one: other.to_owned(),
                            other: recipe.clone(),
                            key: setting.key.clone(),
                            file: setting.file.to_string(),
                        });
                    }
                    _ => {}
                }
            }
        }
        Ok(Self { all })
    }

    /// Holds a choice against the rules.
    ///
    /// # Errors
    /// It names one that there is not.
    pub fn know(&self, choice: &RuleChoice) -> Result<(), RuleError> {
        let named = choice.enabled.iter().chain(&choice.disabled);
        match named.into_iter().find(|name| self.named(name).is_none()) {
            Some(name) => Err(RuleError::Unknown(name.clone())),
            None => Ok(()),
        }
    }

    /// The rules, by name.
    pub fn iter(&self) -> impl Iterator<Item = &BaselineRule> {
        self.all.iter()
    }

    /// The rule of a recipe.
    #[must_use]
    pub fn named(&self, recipe: &str) -> Option<&BaselineRule> {
        self.all.iter().find(|rule| rule.recipe == recipe)
    }

    /// The rules that are about a finding: those whose recipe's name, or one of whose ids, is
    /// its id or one of its aliases.
    pub fn about<'a>(&'a self, finding: &'a Finding) -> impl Iterator<Item = &'a BaselineRule> {
        let is_named = |id: &String| {
            finding.id.eq_ignore_ascii_case(id)
                || finding.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(id))
        };
        self.all.iter().filter(move |rule| is_named(&rule.recipe) || rule.ids.iter().any(is_named))
    }
}

/// The settings that a rule asks for or changes.
fn settings(rule: &BaselineRule) -> impl Iterator<Item = &Setting> {
    let asked = rule.checks.iter().filter_map(|check| match check {
        Check::Setting(check) => Some(&check.setting),
        _ => None,
    });
    asked.chain(rule.actions.iter().filter_map(|action| match action {
        Action::SetKey { setting, .. } | Action::RemoveKey { setting } => Some(setting),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use imgfix_recipes::{Recipe, shipped_rules};

    use super::*;

    fn rule(name: &str, key: &str, value: &str) -> BaselineRule {
        let text = format!(
            "schema = 2\nname = '{name}'\ntitle = 't'\nlevel = 'opt-in'\nseverity = 'low'\n\
             sources = ['s']\nids = ['{name}-id']\n[[check]]\nwhat = 'setting'\nfile = '/etc/a'\n\
             format = 'sshd'\nkey = '{key}'\none-of = ['{value}']\n[[action]]\ndo = 'set-key'\n\
             file = '/etc/a'\nformat = 'sshd'\nkey = '{key}'\nvalue = '{value}'"
        );
        Recipe::parse("r.toml", &text).unwrap().baseline.unwrap()
    }

    #[test]
    fn what_is_shipped_goes_together_and_names_where_it_is_from() {
        let rules = Rules::new(shipped_rules().unwrap()).unwrap();
        assert!(rules.iter().count() >= 55, "{}", rules.iter().count());
        for rule in rules.iter() {
            assert!(!rule.title.ends_with('.') && !rule.sources.is_empty(), "{}", rule.recipe);
            assert!(
                rule.level != Level::OptIn || rule.breaks.is_some(),
                "{}: who may be hurt?",
                rule.recipe
            );
        }
    }

    #[test]
    fn rules_that_contradict_each_other_are_refused() {
        let ok = Rules::new(vec![rule("a", "k", "1"), rule("b", "k", "1"), rule("c", "l", "2")]);
        assert_eq!(ok.unwrap().iter().count(), 3);
        for (rules, why) in [
            (vec![rule("a", "k", "1"), rule("b", "k", "2")], "both change k of /etc/a"),
            (vec![rule("a", "k", "1"), rule("a", "k", "1")], "two recipes a"),
        ] {
            let error = Rules::new(rules).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let mut odd = rule("a", "k", "1");
        if let Some(Check::Setting(check)) = odd.checks.first_mut() {
            check.setting.format = "runes".to_owned();
        }
        let error = Rules::new(vec![odd]).unwrap_err().to_string();
        assert!(error.starts_with("recipe a: ") && error.contains("runes"), "{error}");
    }

    #[test]
    fn a_choice_names_rules_that_there_are() {
        let rules = Rules::new(vec![rule("a", "k", "1")]).unwrap();
        let one = rules.named("a").unwrap();
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        let choice = |level, enabled: &[&str], disabled: &[&str]| RuleChoice {
            level,
            enabled: names(enabled),
            disabled: names(disabled),
        };
        for (choice, left) in [
            (choice(Level::Safe, &[], &[]), Some(NotFollowed::Level)),
            (choice(Level::OptIn, &[], &[]), None),
            (choice(Level::Safe, &["a"], &[]), None),
            (choice(Level::OptIn, &["a"], &["a"]), Some(NotFollowed::Disabled)),
        ] {
            assert_eq!(choice.left(one), left, "{choice:?}");
            assert!(rules.know(&choice).is_ok());
        }
        let unknown = choice(Level::Safe, &["b"], &[]);
        assert!(matches!(rules.know(&unknown), Err(RuleError::Unknown(name)) if name == "b"));
    }

    #[test]
    fn a_finding_is_known_by_name_id_and_alias() {
        let rules = Rules::new(vec![rule("a", "k", "1")]).unwrap();
        let finding = |id: &str, alias: &str| Finding {
            aliases: vec![alias.to_owned()],
            ..Finding::system(id, "", "")
        };
        for (finding, known) in [
            (finding("a", ""), true),
            (finding("A-ID", ""), true),
            (finding("x", "a-id"), true),
            (finding("x", ""), false),
        ] {
            assert_eq!(rules.about(&finding).count(), usize::from(known), "{finding:?}");
        }
    }
}
