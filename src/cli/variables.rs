//! Every option can be set by a variable of the environment: `--fail-on` by `IMGFIX_FAIL_ON`.
//! Comes in: the command line, the variables. Goes out: the command line as if what the
//! variables say had been written behind the subcommand.
//!
//! The command line goes before: an option that is given there is not read from its variable,
//! and neither is one that excludes it. A variable that is empty says nothing, because CI systems
//! set those that have no value to nothing.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// What `--help` says of the variables.
pub const HELP: &str = "\
Every option can be set by a variable: --fail-on by IMGFIX_FAIL_ON, --offline by IMGFIX_OFFLINE=true;
of repeatable ones the variable has a value a line. The command line goes before the variables, and
these before the policy file.";

/// Options that have rules of their own for their variable.
const NOT_HERE: [&str; 3] = ["help", "version", "config"];

/// A command line in which variables had their say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The program's name and its arguments.
    pub arguments: Vec<OsString>,
    /// The variables that were followed, with their values.
    pub used: Vec<(String, OsString)>,
}

impl Merged {
    /// What to say below an error that names options: which of them came from variables. `None`
    /// when none did.
    #[must_use]
    pub fn hint(&self, error: &str) -> Option<String> {
        let named = |name: &&str| error.contains(&option_of(name));
        let names = self.used.iter().map(|(name, _)| name.as_str()).filter(named);
        let names: Vec<&str> = names.collect();
        (!names.is_empty()).then(|| format!("set by the environment: {}", names.join(", ")))
    }
}

/// `IMGFIX_FAIL_ON` of `fail-on`.
pub fn variable_of(long: &str) -> String {
    format!("IMGFIX_{}", long.replace('-', "_").to_ascii_uppercase())
}

/// `--fail-on` of `IMGFIX_FAIL_ON`.
fn option_of(variable: &str) -> String {
    let name = variable.trim_start_matches("IMGFIX_");
    format!("--{}", name.replace('_', "-").to_ascii_lowercase())
}

/// `arguments` (the program's name first) with what `variable` says of the options of the
/// subcommand that they name. They are left as they are when they name none, or ask for help.
///
/// # Errors
/// The variable of a switch is neither yes nor no; the message names it.
pub fn merge(
    command: &Command,
    arguments: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Merged, String> {
    let mut command = command.clone();
    command.build();
    let asked = command.clone().ignore_errors(true).try_get_matches_from(&arguments);
    let Ok(asked) = asked else { return Ok(Merged { arguments, used: Vec::new() }) };
    let (mut command, mut matches, mut at) = (&command, &asked, 0);
    while let Some((name, below)) = matches.subcommand() {
        let next = arguments[at + 1..].iter().position(|word| word == name);
        let (Some(next), Some(found)) = (next, command.find_subcommand(name)) else { break };
        (command, matches, at) = (found, below, at + 1 + next);
    }
    let mut merged = Merged { arguments, used: Vec::new() };
    if at == 0 {
        return Ok(merged);
    }
    let mut words = Vec::new();
    for option in command.get_arguments() {
        let Some(long) = option.get_long().filter(|long| !NOT_HERE.contains(long)) else {
            continue;
        };
        let name = variable_of(long);
        let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { continue };
        if is_excluded(command, option, matches) {
            continue;
        }
        words.extend(words_of(option, long, &value).map_err(|why| format!("{name}: {why}"))?);
        merged.used.push((name, value));
    }
    merged.arguments.splice(at + 1..at + 1, words);
    Ok(merged)
}

fn is_given(option: &Arg, matches: &ArgMatches) -> bool {
    matches.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine)
}

/// Whether the command line has this option, or one that does not go with it.
fn is_excluded(command: &Command, option: &Arg, matches: &ArgMatches) -> bool {
    let excludes = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|found| found.get_id() == other.get_id())
    };
    command.get_arguments().filter(|other| is_given(other, matches)).any(|given| {
        given.get_id() == option.get_id() || excludes(given, option) || excludes(option, given)
    })
}

/// What would be written on the command line for this value.
fn words_of(option: &Arg, long: &str, value: &OsString) -> Result<Vec<OsString>, String> {
    let with = |value: &OsString| {
        let mut word = OsString::from(format!("--{long}="));
        word.push(value);
        word
    };
    match option.get_action() {
        ArgAction::SetTrue => {
            let yes = switch(value)?;
            Ok(if yes { vec![format!("--{long}").into()] } else { Vec::new() })
        }
        ArgAction::Count => {
            let times: u8 = value.to_str().and_then(|text| text.parse().ok()).ok_or("no number")?;
            Ok(vec![format!("--{long}").into(); times.into()])
        }
        ArgAction::Append => match value.to_str() {
            Some(text) => {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                Ok(lines.map(|line| with(&line.into())).collect())
            }
            None => Ok(vec![with(value)]),
        },
        _ => Ok(vec![with(value)]),
    }
}

/// Whether a switch is on, in the words that clap takes from variables.
fn switch(value: &OsString) -> Result<bool, String> {
    match value.to_str().map(str::to_ascii_lowercase).as_deref() {
        Some("1" | "true" | "yes" | "y" | "on" | "t") => Ok(true),
        Some("0" | "false" | "no" | "n" | "off" | "f") => Ok(false),
        _ => Err("want true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        let list = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Append);
        let one = |name: &'static str| Arg::new(name).long(name);
        Command::new("imgfix")
            .arg(one("color").global(true).default_value("auto"))
            .arg(Arg::new("verbose").long("verbose").action(ArgAction::Count).global(true))
            .subcommand(
                Command::new("repair")
                    .arg(Arg::new("image").required(true))
                    .arg(one("fail-on").value_parser(["low", "high"]))
                    .arg(list("report"))
                    .arg(one("cache-dir"))
                    .arg(
                        Arg::new("no-cache")
                            .long("no-cache")
                            .action(ArgAction::SetTrue)
                            .conflicts_with("cache-dir"),
                    ),
            )
            .subcommand(Command::new("config").subcommand(Command::new("check").arg(one("kind"))))
    }

    fn merged(line: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let words = std::iter::once("imgfix").chain(line.split_whitespace()).map(OsString::from);
        let look = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let merged = merge(&command(), words.collect(), look)?;
        let words: Vec<_> =
            merged.arguments[1..].iter().map(|word| word.to_str().unwrap()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn variables_stand_behind_the_subcommand_and_give_way_to_the_command_line() {
        for (line, variables, want) in [
            ("repair x", vec![("IMGFIX_FAIL_ON", "high")], "repair --fail-on=high x"),
            ("repair x --fail-on low", vec![("IMGFIX_FAIL_ON", "high")], "repair x --fail-on low"),
            ("repair x", vec![("IMGFIX_FAIL_ON", "")], "repair x"),
            (
                "repair x",
                vec![("IMGFIX_REPORT", "a b.json\n\n c.json\n")],
                "repair --report=a b.json --report=c.json x",
            ),
            ("repair x", vec![("IMGFIX_NO_CACHE", "true")], "repair --no-cache x"),
            ("repair x", vec![("IMGFIX_NO_CACHE", "0")], "repair x"),
            // What the command line excludes is not read, in either direction.
            ("repair x --no-cache", vec![("IMGFIX_CACHE_DIR", "/c")], "repair x --no-cache"),
            ("repair x --cache-dir /c", vec![("IMGFIX_NO_CACHE", "1")], "repair x --cache-dir /c"),
            // Options of the whole program, before and behind the subcommand.
            ("repair x", vec![("IMGFIX_COLOR", "never")], "repair --color=never x"),
            ("--color always repair x", vec![("IMGFIX_COLOR", "never")], "--color always repair x"),
            ("repair x", vec![("IMGFIX_VERBOSE", "2")], "repair --verbose --verbose x"),
            ("config check", vec![("IMGFIX_KIND", "k")], "config check --kind=k"),
            // No subcommand, help, and words behind `--`.
            ("", vec![("IMGFIX_COLOR", "never")], ""),
            ("repair --help", vec![("IMGFIX_FAIL_ON", "high")], "repair --help"),
            ("repair -- --x", vec![("IMGFIX_FAIL_ON", "high")], "repair --fail-on=high -- --x"),
        ] {
            assert_eq!(merged(line, &variables).as_deref(), Ok(want), "{line} {variables:?}");
        }
    }

    #[test]
    fn what_a_variable_cannot_say_is_named() {
        let why = merged("repair x", &[("IMGFIX_NO_CACHE", "perhaps")]).unwrap_err();
        assert_eq!(why, "IMGFIX_NO_CACHE: want true or false");
        let merged = Merged {
            arguments: Vec::new(),
            used: vec![
                ("IMGFIX_FAIL_ON".to_owned(), "x".into()),
                ("IMGFIX_COLOR".to_owned(), "y".into()),
            ],
        };
        let hint = merged.hint("invalid value 'x' for '--fail-on <SEVERITY>'");
        assert_eq!(hint.as_deref(), Some("set by the environment: IMGFIX_FAIL_ON"));
        assert_eq!(merged.hint("unexpected argument '--else'"), None);
    }
}
