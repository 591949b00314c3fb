//! `imgfix config show`, `init` and `schema`: every setting with the file that it comes from, a
//! new policy file, and its JSON Schema.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::policy::{ImageName, ImageOverride, KEYS, Key, Policy};
use imgfix_oci::Reference;
use imgfix_terminal::clean;

use super::command_line::without_login;
use super::confine::{self, Start};
use super::exit::Failure;
use super::image_argument::parse_reference;
use super::options::Format;
use super::policy_files::{self, Places, Reader};
use super::registry_options::RegistryAccess;
use super::variables::variable_of;
use super::{CommandResult, exit};

/// The file that `docs/` has, with everything that there is to say.
const COMPLETE: &str = include_str!("../../docs/imgfix.toml");

/// The JSON Schema of the policy file.
const SCHEMA: &str = include_str!("../../docs/imgfix.schema.json");

/// What the JSON of `imgfix config show` is called.
const SHOWN: &str = "imgfix/config/v1";

/// Arguments of `imgfix config show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Show what holds for this image [default: what holds for all, and overrides apart]
    #[arg(value_parser = parse_reference)]
    image: Option<Reference>,
    /// Follow this policy file and no other [env: IMGFIX_CONFIG=] [default: those that hold here]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How the settings are written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten, next_help_heading = "Registry options")]
    registry: RegistryAccess,
}

/// Runs `imgfix config show`.
///
/// # Errors
/// A policy file cannot be followed.
pub fn show(arguments: ShowArguments, start: Start) -> CommandResult {
    let output = &*start.output();
    let image = arguments.image.as_ref().map(ImageName::of);
    let named = policy_files::named(arguments.config.as_ref());
    let places = Places::of(named.as_deref());
    start.confined_for_now(&confine::of_policy_files(&places, &arguments.registry));
    let reader = Reader { image: image.as_ref(), registry: &arguments.registry, output };
    let policy = match named {
        Some(path) => reader.named(&path)?,
        None => reader.others()?.unwrap_or_default(),
    };
    let _confined = start.confined(&confine::of_policy());
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let settings: Vec<Setting> =
        KEYS.iter().map(|key| Setting::of(key, &policy, &variable)).collect();
    output.result(&match arguments.format {
        Format::Text => text(&settings, &policy),
        Format::Json => {
            let mut text = serde_json::to_string_pretty(&document(&settings, &policy))?;
            text.push('\n');
            text
        }
    })?;
    Ok(exit::DONE)
}

/// One setting as it is shown: without logins in addresses, clean for terminals.
struct Setting {
    key: &'static str,
    /// `null`: nothing is set.
    value: Value,
    /// Files, or the variable that goes before them; none: it is the default.
    from: Vec<String>,
}

impl Setting {
    fn of(key: &Key, policy: &Policy, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let said = policy.values().into_iter().find(|(name, _)| *name == key.name);
        let files = policy.origins.get(key.name).cloned().unwrap_or_default();
        let name = key.option.map(variable_of);
        let set = name.as_deref().and_then(variable).zip(name);
        let (value, from) = match (set, said) {
            (Some((text, name)), Some((_, Value::Array(mut all)))) if key.is_list => {
                all.extend(text.lines().map(Value::from));
                (Value::from(all), [files, vec![name]].concat())
            }
            (Some((text, name)), _) => (Value::from(text), vec![name]),
            (None, Some((_, value))) => (value, files),
            (None, None) if key.default.is_empty() => (Value::Null, Vec::new()),
            (None, None) => (Value::from(key.default), Vec::new()),
        };
        Self { key: key.name, value: shown(value), from }
    }

    fn json(&self) -> Value {
        json!({"key": self.key, "value": self.value, "from": self.from})
    }

    fn line(&self) -> String {
        let value = match &self.value {
            Value::Null => "-".to_owned(),
            value => value.to_string(),
        };
        let from = match self.from.is_empty() {
            true => "default".to_owned(),
            false => clean(&self.from.join(", ")),
        };
        format!("{} = {value}  # {from}\n", self.key)
    }
}

/// A value without what nobody is to read.
fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => Value::from(clean(&without_login(&text))),
        Value::Array(all) => all.into_iter().map(shown).collect(),
        other => other,
    }
}

/// What one override says.
fn of_override(one: &ImageOverride) -> Vec<Setting> {
    let values = one.policy.values().into_iter();
    let from = |key: &str| one.policy.origins.get(key).cloned().unwrap_or_default();
    values.map(|(key, value)| Setting { key, value: shown(value), from: from(key) }).collect()
}

fn text(settings: &[Setting], policy: &Policy) -> String {
    let mut out = String::new();
    for file in &policy.files {
        out.push_str(&format!("# following {}\n", clean(file)));
    }
    settings.iter().for_each(|one| out.push_str(&one.line()));
    for rule in &policy.ignore {
        out.push_str(&format!("ignore {}: {}\n", clean(&rule.id), clean(&rule.from)));
    }
    for one in &policy.images {
        let pattern = clean(one.pattern.text());
        for setting in of_override(one) {
            out.push_str(&format!("image {pattern}: {}", setting.line()));
        }
        for rule in &one.policy.ignore {
            let (id, from) = (clean(&rule.id), clean(&rule.from));
            out.push_str(&format!("image {pattern}: ignore {id}: {from}\n"));
        }
    }
    out.push_str(&format!("notifications: {}\n", policy.notify.len()));
    out
}

fn document(settings: &[Setting], policy: &Policy) -> Value {
    let all = |settings: &[Setting]| settings.iter().map(Setting::json).collect::<Vec<_>>();
    let rules = |policy: &Policy| -> Vec<Value> {
        let rule = |rule: &imgfix_findings::IgnoreRule| {
            json!({
                "id": rule.id,
                "rule": rule.from,
                "expires": rule.expires.map(|day| day.to_string()),
            })
        };
        policy.ignore.iter().map(rule).collect()
    };
    let images = policy.images.iter().map(|one| {
        json!({
            "match": one.pattern.text(),
            "settings": all(&of_override(one)),
            "ignore": rules(&one.policy),
        })
    });
    json!({
        "schema": SHOWN,
        "files": policy.files,
        "settings": all(settings),
        "ignore": rules(policy),
        "images": images.collect::<Vec<_>>(),
        "notifications": policy.notify.len(),
        "not_followed": policy.refused,
    })
}

/// Runs `imgfix config init`.
///
/// # Errors
/// The file is there, or cannot be written.
pub fn init(path: &Path, start: Start) -> CommandResult {
    let output = &*start.output();
    // It reads no word of a stranger.
    start.unconfined();
    let shown = path.display();
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Failure::Usage(format!("{shown} is there, and stays as it is; name another file"))
        }
        _ => Failure::Usage(format!("{shown}: cannot write: {error}")),
    };
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    file.write_all(commented().as_bytes()).map_err(failed)?;
    output.progress().message(&format!("{shown} is written; everything in it is a comment yet"));
    Ok(exit::DONE)
}

/// The complete file with every line a comment.
fn commented() -> String {
    let mut out = String::new();
    for line in COMPLETE.lines() {
        if !line.is_empty() && !line.starts_with('#') {
            out.push('#');
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Runs `imgfix config schema`.
///
/// # Errors
/// Standard output cannot be written.
pub fn schema(start: Start) -> CommandResult {
    let output = &*start.output();
    start.unconfined();
    output.result(SCHEMA)?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Standing, parse};

    fn read(text: &str) -> Policy {
        parse("imgfix.toml", text, Path::new("/p"), Standing::Trusted).unwrap()
    }

    #[test]
    fn a_new_file_says_nothing_and_has_everything() {
        let text = commented();
        assert_eq!(read(&text), Policy::default());
        let uncommented: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        assert_eq!(uncommented, COMPLETE);
    }

    #[test]
    fn every_setting_is_a_key_of_the_complete_file_and_an_option() {
        use clap::CommandFactory as _;
        let policy = read(COMPLETE);
        let said: Vec<&str> = policy.values().into_iter().map(|(key, _)| key).collect();
        let table: toml::Table = toml::from_str(COMPLETE).unwrap();
        let command = super::super::Arguments::command();
        let repair = command.find_subcommand("repair").unwrap();
        let options: Vec<&str> = repair.get_arguments().filter_map(clap::Arg::get_long).collect();
        for key in KEYS {
            let there = match key.name.split_once('.') {
                Some((table_name, name)) => table[table_name].get(name).is_some(),
                None => table.contains_key(key.name),
            };
            assert!(there, "{} is not in docs/imgfix.toml", key.name);
            if let Some(option) = key.option {
                assert!(options.contains(&option), "--{option} is no option of repair");
            }
        }
        // In the order of the list, and nothing that the list does not have.
        let order: Vec<&str> =
            KEYS.iter().map(|key| key.name).filter(|name| said.contains(name)).collect();
        assert_eq!(said, order);
    }

    #[test]
    fn settings_are_shown_with_their_files_and_without_logins() {
        let policy = read(
            "fail-on = 'high'\n[packages]\ndeny = ['a']\n[repositories]\n\
             mirrors = ['http://a=https://me:s3cret@b/x']\n\
             [[ignore]]\nid = 'CVE-1'\nreason = 'x'\nowner = 'security@example'\n\
             [[image]]\nmatch = 'r.example/*'\nscripts = 'never'\n",
        )
        .read_from("/p/imgfix.toml");
        let variable = |name: &str| {
            let set = [("IMGFIX_DENY_PACKAGE", "b"), ("IMGFIX_SCRIPTS", "sandbox")];
            set.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        };
        let settings: Vec<Setting> =
            KEYS.iter().map(|key| Setting::of(key, &policy, &variable)).collect();
        let text = text(&settings, &policy);
        for want in [
            "# following /p/imgfix.toml\n",
            "fail-on = \"high\"  # /p/imgfix.toml\n",
            "min-severity = \"unknown\"  # default\n",
            "max-memory = -  # default\n",
            "scripts = \"sandbox\"  # IMGFIX_SCRIPTS\n",
            "packages.deny = [\"a\",\"b\"]  # /p/imgfix.toml, IMGFIX_DENY_PACKAGE\n",
            "repositories.mirrors = [\"http://a=https://b/x\"]  # /p/imgfix.toml\n",
            "ignore CVE-1: imgfix.toml (x, decided by security@example)\n",
            "image r.example/*: scripts = \"never\"  # /p/imgfix.toml\n",
        ] {
            assert!(text.contains(want), "{want} is not in {text}");
        }
        let json = document(&settings, &policy);
        assert_eq!(json["schema"], "imgfix/config/v1");
        assert_eq!(json["images"][0]["match"], "r.example/*");
        assert!(!json.to_string().contains("s3cret"));
        let fail_on = json["settings"].as_array().unwrap().iter();
        let fail_on: Vec<_> = fail_on.filter(|one| one["key"] == "fail-on").collect();
        assert_eq!(
            fail_on,
            [&json!({"key": "fail-on", "value": "high", "from": ["/p/imgfix.toml"]})]
        );
    }
}
