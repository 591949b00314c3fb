//! What real scripts use: parses every script below a directory, and reports those that do
//! not parse and the constructs that are not evaluated.
//!
//! `IMGFIX_SCRIPTS=DIRECTORY cargo test -p imgfix-shell syntax::survey -- --ignored --nocapture`, where
//! the directory has maintainer scripts in any depth (`dpkg-deb -e` for each package).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tree::{
    AndOr, AssignedValue, Command, Condition, Ground, Kind, Operation, Part, RedirectOperator, Word,
};
use super::{Dialect, Parser};
use crate::execute::interpreter;

/// Builtins that stop.
const STOPS: &[&[u8]] = &[
    b"alias",
    b"bg",
    b"caller",
    b"compgen",
    b"complete",
    b"coproc",
    b"enable",
    b"fc",
    b"fg",
    b"kill",
    b"popd",
    b"pushd",
    b"select",
    b"times",
    b"ulimit",
];

/// What was found, with one place for each kind.
#[derive(Default)]
struct Survey {
    found: BTreeMap<String, (u32, String)>,
    script: String,
}

impl Survey {
    fn note(&mut self, what: impl Into<String>, line: u32) {
        let place = format!("{}:{line}", self.script);
        let entry = self.found.entry(what.into()).or_insert((0, place));
        entry.0 += 1;
    }

    fn list(&mut self, list: &[AndOr]) {
        for item in list {
            let pipelines = std::iter::once(&item.first).chain(item.rest.iter().map(|(_, p)| p));
            for command in pipelines.flat_map(|pipeline| &pipeline.commands) {
                if item.ground == Ground::Background {
                    self.note("a command in the background", command.line);
                }
                self.command(command);
            }
        }
    }

    fn command(&mut self, command: &Command) {
        let line = command.line;
        for redirect in &command.redirects {
            match &redirect.operator {
                RedirectOperator::ReadWrite(_) => self.note("<>", line),
                RedirectOperator::Here(text) => {
                    if let Some(word) = text.get() {
                        self.word(word, line);
                    }
                }
                RedirectOperator::Input(word)
                | RedirectOperator::Output(word)
                | RedirectOperator::Append(word) => self.word(word, line),
                _ => {}
            }
        }
        match &command.kind {
            Kind::Simple(simple) => {
                for assignment in &simple.assignments {
                    match &assignment.value {
                        AssignedValue::Word(word) => self.word(word, line),
                        AssignedValue::Array(_) => self.note("bash: an array", line),
                    }
                }
                let name = simple.words.first().and_then(Word::bare).unwrap_or_default();
                if STOPS.contains(&name) {
                    self.note(format!("the builtin {}", String::from_utf8_lossy(name)), line);
                }
                for word in &simple.words {
                    self.word(word, line);
                }
            }
            Kind::Group(list) | Kind::Subshell(list) => self.list(list),
            Kind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    self.list(condition);
                    self.list(body);
                }
                self.list(otherwise.as_deref().unwrap_or_default());
            }
            Kind::Case { subject, arms } => {
                self.word(subject, line);
                for arm in arms {
                    self.list(&arm.body);
                }
            }
            Kind::For { words, body, .. } => {
                for word in words.iter().flatten() {
                    self.word(word, line);
                }
                self.list(body);
            }
            Kind::Loop { condition, body, .. } => {
                self.list(condition);
                self.list(body);
            }
            Kind::Function { body, .. } => self.command(body),
            Kind::Condition(condition) => self.condition(condition, line),
            Kind::Arithmetic(_) | Kind::ArithmeticFor { .. } => self.note("bash: ((", line),
        }
    }

    fn condition(&mut self, condition: &Condition, line: u32) {
        match condition {
            Condition::Not(inner) => self.condition(inner, line),
            Condition::And(left, right) | Condition::Or(left, right) => {
                self.condition(left, line);
                self.condition(right, line);
            }
            Condition::Unary(operator, _) => self.note(format!("bash: [[ {operator}"), line),
            Condition::Binary(_, operator, _) => self.note(format!("bash: [[ {operator}"), line),
        }
    }

    fn word(&mut self, word: &Word, line: u32) {
        self.parts(&word.parts, line);
    }

    fn parts(&mut self, parts: &[Part], line: u32) {
        for part in parts {
            match part {
                Part::DoubleQuoted(inner) => self.parts(inner, line),
                Part::Command(list) => self.list(list),
                Part::Process => self.note("bash: process substitution", line),
                Part::Array(_) => self.note("bash: an array", line),
                Part::Parameter(parameter) => match &parameter.operation {
                    Operation::Unknown(text) => {
                        self.note(format!("${{{}{text}}}", parameter.name), line);
                    }
                    Operation::Alternative { word, .. } => self.word(word, line),
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, all),
            false => all.push(path),
        }
    }
}

#[test]
#[ignore = "needs a directory of scripts in IMGFIX_SCRIPTS"]
fn every_script_is_parsed() {
    let folder = std::env::var_os("IMGFIX_SCRIPTS").expect("IMGFIX_SCRIPTS names a directory");
    let mut all = Vec::new();
    files(Path::new(&folder), &mut all);
    all.sort();
    let mut survey = Survey::default();
    let (mut parsed, mut other) = (0, 0);
    for path in &all {
        let text = std::fs::read(path).unwrap();
        let Some(found) = interpreter(&text) else {
            other += 1;
            continue;
        };
        survey.script = path.display().to_string();
        match Parser::new(&text, found.dialect).all() {
            Ok(list) => {
                parsed += 1;
                survey.list(&list);
            }
            Err(error) => {
                let dialect = if found.dialect == Dialect::Bash { "bash" } else { "sh" };
                survey.note(format!("{dialect} does not parse: {}", error.problem), error.line);
            }
        }
    }
    println!(
        "{parsed} of {} shell scripts are parsed; {other} are not for a shell",
        all.len() - other
    );
    for (what, (count, place)) in &survey.found {
        println!("{count:5} {what} ({place})");
    }
    assert!(!survey.found.keys().any(|what| what.contains("does not parse")));
}
