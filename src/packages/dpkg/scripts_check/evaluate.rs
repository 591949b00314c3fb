//! Whether a maintainer script, called as dpkg calls it, would change anything in an image.
//!
//! In come a parsed script, its arguments and the image; out comes either that nothing it
//! reaches has an effect, or the first command that has (or may have) one. What cannot be
//! known is taken both ways: of a condition that is not certain both branches are looked at,
//! a word whose value is not certain stops the evaluation where it would matter. Every
//! command that is not known to be without effect is one with effect.

use std::collections::BTreeMap;

use super::super::path_filter;
use super::super::version::Version;
use super::helper;
use super::syntax::{
    Direction, Node, Operator, Part, Redirect, Simple, SyntaxError, Word, plain_text,
};
use crate::rootfs::{Entry, FileSystem, ImagePath};

/// How often functions and substitutions may nest.
const MAX_DEPTH: usize = 32;

/// How dpkg calls a script.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// `preinst`, `postinst`, `prerm` or `postrm`.
    pub script: &'static str,
    pub package: &'a str,
    pub arguments: Vec<String>,
}

/// Where and why the evaluation stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    pub line: u32,
    pub detail: String,
}

impl From<SyntaxError> for Stop {
    fn from(error: SyntaxError) -> Self {
        Self { line: error.line, detail: format!("not understood: {}", error.problem) }
    }
}

/// Commands that only read and print: their status is not worked out.
const READERS: &[&str] = &[
    "basename",
    "cat",
    "cmp",
    "cut",
    "dirname",
    "dpkg-query",
    "egrep",
    "fgrep",
    "getent",
    "grep",
    "head",
    "hostname",
    "id",
    "ischroot",
    "ls",
    "md5sum",
    "pidof",
    "pwd",
    "readlink",
    "realpath",
    "sha256sum",
    "stat",
    "tail",
    "tr",
    "uname",
    "uniq",
    "wc",
];

/// Commands that tell services something. In an image no service runs: `policy-rc.d` denies it,
/// or there is nobody to tell.
const SERVICE_TOOLS: &[&str] = &["invoke-rc.d", "deb-systemd-invoke", "systemctl"];
const SERVICE_VERBS: &[&str] = &[
    "start",
    "stop",
    "restart",
    "reload",
    "force-reload",
    "try-restart",
    "reload-or-restart",
    "reload-or-try-restart",
    "try-reload-or-restart",
    "daemon-reload",
    "daemon-reexec",
    "is-active",
    "is-enabled",
    "is-system-running",
    "status",
];

const PATH: &[&str] =
    &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Whether the script changes nothing.
///
/// # Errors
/// The first command that has, or may have, an effect.
pub fn evaluate(script: &[Node], call: &Call<'_>, fs: &dyn FileSystem) -> Result<(), Stop> {
    let mut variables = BTreeMap::new();
    variables.insert("DPKG_ROOT".to_owned(), Some(String::new()));
    variables.insert("DPKG_MAINTSCRIPT_NAME".to_owned(), Some(call.script.to_owned()));
    variables.insert("DPKG_MAINTSCRIPT_PACKAGE".to_owned(), Some(call.package.to_owned()));
    let mut shell = Shell {
        fs,
        call,
        variables,
        positional: Some(call.arguments.clone()),
        functions: BTreeMap::new(),
        depth: 0,
        certain: true,
    };
    shell.list(script).map(drop)
}

/// What comes after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// The next one; the status is known to be success or failure, or not known.
    Next(Option<bool>),
    Return,
    Exit,
}

const DONE: Result<Flow, Stop> = Ok(Flow::Next(Some(true)));
const UNKNOWN: Result<Flow, Stop> = Ok(Flow::Next(None));

struct Shell<'a> {
    fs: &'a dyn FileSystem,
    call: &'a Call<'a>,
    /// `None`: set, the value is not known.
    variables: BTreeMap<String, Option<String>>,
    positional: Option<Vec<String>>,
    functions: BTreeMap<String, Node>,
    depth: usize,
    /// Whether what is evaluated is certain to be reached.
    certain: bool,
}

impl Shell<'_> {
    fn list(&mut self, nodes: &[Node]) -> Result<Flow, Stop> {
        let mut last = Flow::Next(Some(true));
        for node in nodes {
            last = self.node(node)?;
            if !matches!(last, Flow::Next(_)) {
                return Ok(last);
            }
        }
        Ok(last)
    }

    fn node(&mut self, node: &Node) -> Result<Flow, Stop> {
        match node {
            Node::Simple(simple) => self.simple(simple),
            Node::Not(inner) => Ok(match self.node(inner)? {
                Flow::Next(status) => Flow::Next(status.map(|ok| !ok)),
                other => other,
            }),
            Node::AndOr(first, rest) => self.and_or(first, rest),
            Node::Pipeline(commands) => {
                for command in commands {
                    self.apart(|shell| shell.node(command))?;
                }
                UNKNOWN
            }
            Node::If(branches, otherwise) => self.if_clause(branches, otherwise),
            Node::Case { subject, arms } => self.case(subject, arms),
            Node::Group(body, redirects) => {
                self.redirects(redirects, 0)?;
                self.list(body)
            }
            Node::Subshell(body, redirects) => {
                self.redirects(redirects, 0)?;
                self.apart(|shell| shell.list(body))
            }
            Node::Function { name, body } => {
                // Which definition a call would find is known only for those that are certain.
                let body = match self.certain {
                    true => (**body).clone(),
                    false => Node::Unsupported { line: 0, what: "a function of a branch" },
                };
                self.functions.insert(name.clone(), body);
                DONE
            }
            Node::Unsupported { line, what } => {
                Err(Stop { line: *line, detail: format!("{what} is not evaluated") })
            }
        }
    }

    /// Evaluates in a subshell: nothing of the state stays, `exit` ends only that.
    fn apart(&mut self, body: impl FnOnce(&mut Self) -> Result<Flow, Stop>) -> Result<Flow, Stop> {
        let variables = self.variables.clone();
        let positional = self.positional.clone();
        let functions = self.functions.clone();
        let flow = body(self)?;
        self.variables = variables;
        self.positional = positional;
        self.functions = functions;
        Ok(match flow {
            Flow::Next(status) => Flow::Next(status),
            Flow::Return | Flow::Exit => Flow::Next(None),
        })
    }

    /// Evaluates what may or may not be reached: afterwards only what is the same both ways
    /// is known.
    fn maybe(&mut self, body: impl FnOnce(&mut Self) -> Result<Flow, Stop>) -> Result<Flow, Stop> {
        let variables = self.variables.clone();
        let positional = self.positional.clone();
        let certain = std::mem::replace(&mut self.certain, false);
        let flow = body(self)?;
        self.certain = certain;
        self.forget_difference(&variables, positional.as_ref());
        Ok(flow)
    }

    fn forget_difference(
        &mut self,
        other: &BTreeMap<String, Option<String>>,
        positional: Option<&Vec<String>>,
    ) {
        for (name, value) in &mut self.variables {
            if other.get(name) != Some(value) {
                *value = None;
            }
        }
        for name in other.keys() {
            self.variables.entry(name.clone()).or_insert(None);
        }
        if self.positional.as_ref() != positional {
            self.positional = None;
        }
    }

    fn and_or(&mut self, first: &Node, rest: &[(Operator, Node)]) -> Result<Flow, Stop> {
        let mut flow = self.node(first)?;
        for (operator, node) in rest {
            let Flow::Next(status) = flow else { return Ok(flow) };
            let wanted = *operator == Operator::And;
            flow = match status {
                Some(status) if status == wanted => self.node(node)?,
                Some(_) => flow,
                None => {
                    self.maybe(|shell| shell.node(node))?;
                    Flow::Next(None)
                }
            };
        }
        Ok(flow)
    }

    fn if_clause(
        &mut self,
        branches: &[(Vec<Node>, Vec<Node>)],
        otherwise: &[Node],
    ) -> Result<Flow, Stop> {
        let Some(((condition, body), rest)) = branches.split_first() else {
            return self.list(otherwise);
        };
        let status = match self.list(condition)? {
            Flow::Next(status) => status,
            other => return Ok(other),
        };
        match status {
            Some(true) => self.list(body),
            Some(false) => self.if_clause(rest, otherwise),
            None => self.either(|shell| shell.list(body), |shell| shell.if_clause(rest, otherwise)),
        }
    }

    /// Evaluates two possibilities of which one is taken.
    fn either(
        &mut self,
        one: impl FnOnce(&mut Self) -> Result<Flow, Stop>,
        other: impl FnOnce(&mut Self) -> Result<Flow, Stop>,
    ) -> Result<Flow, Stop> {
        let certain = std::mem::replace(&mut self.certain, false);
        let (variables, positional) = (self.variables.clone(), self.positional.clone());
        let first = one(self)?;
        let after = std::mem::replace(&mut self.variables, variables);
        let after_positional = std::mem::replace(&mut self.positional, positional);
        let second = other(self)?;
        self.certain = certain;
        self.forget_difference(&after, after_positional.as_ref());
        Ok(match (first, second) {
            (one, other) if one == other => one,
            _ => Flow::Next(None),
        })
    }

    fn case(&mut self, subject: &Word, arms: &[(Vec<Word>, Vec<Node>)]) -> Result<Flow, Stop> {
        let subject = self.value(subject)?;
        let Some(((patterns, body), rest)) = arms.split_first() else { return DONE };
        let mut matched = Some(false);
        for pattern in patterns {
            let pattern = self.pattern(pattern)?;
            match (&subject, pattern) {
                (Some(text), Some(pattern)) => {
                    if path_filter::matches(pattern.as_bytes(), text.as_bytes()) {
                        matched = Some(true);
                        break;
                    }
                }
                // `*` matches whatever the subject is.
                (None, Some(pattern)) if pattern == "*" => {
                    matched = Some(true);
                    break;
                }
                _ => matched = None,
            }
        }
        match matched {
            Some(true) => self.list(body),
            Some(false) => self.case_rest(subject, rest),
            None => self.either(|shell| shell.list(body), |shell| shell.case_rest(subject, rest)),
        }
    }

    fn case_rest(
        &mut self,
        subject: Option<String>,
        arms: &[(Vec<Word>, Vec<Node>)],
    ) -> Result<Flow, Stop> {
        let word = match subject {
            Some(text) => Word { parts: vec![Part::Literal { text, quoted: true }] },
            None => Word { parts: vec![Part::Opaque { quoted: true }] },
        };
        self.case(&word, arms)
    }

    /// A pattern's text, quoted characters escaped.
    fn pattern(&mut self, word: &Word) -> Result<Option<String>, Stop> {
        let mut out = String::new();
        for part in &word.parts {
            match part {
                Part::Literal { text, quoted: false } => out.push_str(text),
                Part::Literal { text, quoted: true } => {
                    for c in text.chars() {
                        out.extend(['\\', c]);
                    }
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(out))
    }

    fn simple(&mut self, simple: &Simple) -> Result<Flow, Stop> {
        self.redirects(&simple.redirects, simple.line)?;
        let mut assigned = Vec::new();
        for (name, value) in &simple.assignments {
            assigned.push((name.clone(), self.value(value)?));
        }
        let mut words = Vec::new();
        for word in &simple.words {
            self.expand(word, &mut words)?;
        }
        let Some(first) = words.first() else {
            self.variables.extend(assigned);
            return if simple.words.is_empty() { UNKNOWN } else { self.unknown_command(simple) };
        };
        let Some(name) = first.clone() else { return self.unknown_command(simple) };
        for (name, _) in assigned {
            // How long these last depends on the kind of command.
            self.variables.insert(name, None);
        }
        let arguments = words.get(1..).unwrap_or_default();
        if let Some(body) = self.functions.get(&name).cloned() {
            return self.function(&body, arguments, simple.line);
        }
        self.command(&name, arguments, simple)
    }

    fn unknown_command<T>(&self, simple: &Simple) -> Result<T, Stop> {
        Err(self.stop(simple, "is not known to be without effect"))
    }

    fn stop(&self, simple: &Simple, why: &str) -> Stop {
        let text: Vec<String> = simple.words.iter().map(display).collect();
        let mut text = text.join(" ");
        if text.chars().count() > 80 {
            text = text.chars().take(77).chain("...".chars()).collect();
        }
        Stop { line: simple.line, detail: format!("`{text}` {why}") }
    }

    fn function(
        &mut self,
        body: &Node,
        arguments: &[Option<String>],
        line: u32,
    ) -> Result<Flow, Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Stop { line, detail: "functions call each other too deep".into() });
        }
        let arguments: Option<Vec<String>> = arguments.iter().cloned().collect();
        let positional = std::mem::replace(&mut self.positional, arguments);
        let flow = self.node(body)?;
        self.positional = positional;
        self.depth -= 1;
        Ok(match flow {
            Flow::Return => Flow::Next(None),
            other => other,
        })
    }

    fn command(
        &mut self,
        name: &str,
        arguments: &[Option<String>],
        simple: &Simple,
    ) -> Result<Flow, Stop> {
        match name {
            ":" | "true" => DONE,
            "false" => Ok(Flow::Next(Some(false))),
            "echo" | "printf" | "umask" | "cd" | "wait" => DONE,
            "unset" => {
                for word in arguments {
                    match word {
                        Some(word) => drop(self.variables.insert(word.clone(), None)),
                        None => return self.unknown_command(simple),
                    }
                }
                DONE
            }
            "test" => Ok(Flow::Next(self.test(arguments))),
            "[" => match arguments.split_last() {
                Some((Some(last), inner)) if last == "]" => Ok(Flow::Next(self.test(inner))),
                _ => UNKNOWN,
            },
            "set" => self.set(arguments, simple),
            "shift" => {
                match (&mut self.positional, arguments) {
                    (Some(words), []) if !words.is_empty() => drop(words.remove(0)),
                    (positional, _) => *positional = None,
                }
                DONE
            }
            "export" | "readonly" | "local" => self.declare(simple),
            "return" => Ok(Flow::Return),
            "exit" => self.exit(arguments, simple),
            "command" | "which" | "type" => self.lookup(name, arguments, simple),
            "dpkg" => self.dpkg(arguments, simple),
            "dpkg-maintscript-helper" => self.maintscript_helper(arguments, simple),
            _ if READERS.contains(&name) => UNKNOWN,
            _ if SERVICE_TOOLS.contains(&name) => {
                let verb = arguments
                    .iter()
                    .flatten()
                    .find(|word| SERVICE_VERBS.contains(&word.as_str()) || is_state_verb(word));
                match verb {
                    Some(verb) if SERVICE_VERBS.contains(&verb.as_str()) => UNKNOWN,
                    _ => self.unknown_command(simple),
                }
            }
            _ => self.unknown_command(simple),
        }
    }

    fn set(&mut self, arguments: &[Option<String>], simple: &Simple) -> Result<Flow, Stop> {
        let options_only = arguments.iter().all(|word| {
            word.as_ref().is_some_and(|word| {
                (word.starts_with(['-', '+']) && word != "--") || word == "pipefail"
            })
        });
        if options_only { DONE } else { self.unknown_command(simple) }
    }

    fn declare(&mut self, simple: &Simple) -> Result<Flow, Stop> {
        for word in simple.words.iter().skip(1) {
            let text = match self.value(word)? {
                Some(text) => text,
                None => {
                    let name = plain_text(word).split('=').next().unwrap_or_default().to_owned();
                    self.variables.insert(name, None);
                    continue;
                }
            };
            if let Some((name, value)) = text.split_once('=') {
                self.variables.insert(name.to_owned(), Some(value.to_owned()));
            }
        }
        DONE
    }

    /// A script that is certain to fail makes dpkg stop half-way.
    fn exit(&mut self, arguments: &[Option<String>], simple: &Simple) -> Result<Flow, Stop> {
        match arguments.first() {
            Some(Some(status)) if self.certain && status != "0" => {
                Err(self.stop(simple, "is reached: the script fails"))
            }
            _ => Ok(Flow::Exit),
        }
    }

    /// `command -v NAME` and its like.
    fn lookup(
        &mut self,
        name: &str,
        arguments: &[Option<String>],
        simple: &Simple,
    ) -> Result<Flow, Stop> {
        let mut rest = arguments;
        if name == "command" {
            match arguments.split_first() {
                Some((Some(option), after)) if option == "-v" || option == "-V" => rest = after,
                _ => return self.unknown_command(simple),
            }
        }
        match rest {
            [Some(program)] => Ok(Flow::Next(Some(self.program(program).is_some()))),
            _ => UNKNOWN,
        }
    }

    /// Where the image has a program.
    fn program(&self, name: &str) -> Option<String> {
        if name.contains('/') {
            let path = ImagePath::new(name).ok()?;
            return self.fs.stat(&path).map(|_| name.to_owned());
        }
        PATH.iter().map(|folder| format!("{folder}/{name}")).find(|path| {
            let path = ImagePath::new(path).ok();
            path.and_then(|path| self.fs.stat(&path)).is_some_and(Entry::is_file)
        })
    }

    fn dpkg(&mut self, arguments: &[Option<String>], simple: &Simple) -> Result<Flow, Stop> {
        let words: Vec<Option<&str>> = arguments.iter().map(Option::as_deref).collect();
        match words.as_slice() {
            [Some("--compare-versions"), rest @ ..] => {
                let rest = match rest {
                    [Some("--"), rest @ ..] => rest,
                    _ => rest,
                };
                match rest {
                    [Some(one), Some(operator), Some(other)] => {
                        Ok(Flow::Next(compare_versions(one, operator, other)))
                    }
                    _ => UNKNOWN,
                }
            }
            [
                Some(
                    "--print-architecture"
                    | "--print-foreign-architectures"
                    | "-s"
                    | "--status"
                    | "-L"
                    | "--listfiles"
                    | "-S"
                    | "--search"
                    | "-l"
                    | "--list"
                    | "--assert-multi-arch"
                    | "--validate-version",
                ),
                ..,
            ] => UNKNOWN,
            _ => self.unknown_command(simple),
        }
    }

    fn maintscript_helper(
        &mut self,
        arguments: &[Option<String>],
        simple: &Simple,
    ) -> Result<Flow, Stop> {
        if let Some(Some("supports")) = arguments.first().map(Option::as_deref) {
            return UNKNOWN;
        }
        let words: Option<Vec<&str>> = arguments.iter().map(Option::as_deref).collect();
        match words.map(|words| helper::acts(&words, self.call.script, self.fs)) {
            Some(false) => DONE,
            _ => Err(self.stop(simple, "acts on this upgrade")),
        }
    }

    /// Output may go to nowhere and to the caller; anything else is an effect.
    fn redirects(&mut self, redirects: &[Redirect], line: u32) -> Result<(), Stop> {
        for redirect in redirects {
            let target = self.value(&redirect.target)?;
            let harmless = match redirect.direction {
                Direction::Input | Direction::Duplicate => true,
                Direction::Output => target
                    .as_deref()
                    .is_some_and(|t| ["/dev/null", "/dev/stderr", "/dev/stdout"].contains(&t)),
            };
            if !harmless {
                let detail = format!("writes to {}", display(&redirect.target));
                return Err(Stop { line, detail });
            }
        }
        Ok(())
    }

    /// A word's value where it is not split; `None` when it is not known.
    fn value(&mut self, word: &Word) -> Result<Option<String>, Stop> {
        let mut out = Some(String::new());
        for part in &word.parts {
            let value = self.part(part)?;
            out = out.zip(value).map(|(out, value)| out + &value);
        }
        Ok(out)
    }

    fn part(&mut self, part: &Part) -> Result<Option<String>, Stop> {
        match part {
            Part::Literal { text, .. } => Ok(Some(text.clone())),
            Part::Opaque { .. } => Ok(None),
            Part::Variable { name, default, .. } => {
                let value = self.variable(name);
                match (value, default) {
                    (Some(value), Some(default)) if value.is_empty() => self.value(default),
                    (value, _) => Ok(value),
                }
            }
            Part::Substitution { body, .. } => self.substitution(body),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        if name == "#" {
            return self.positional.as_ref().map(|words| words.len().to_string());
        }
        if let Ok(number) = name.parse::<usize>() {
            let words = self.positional.as_ref()?;
            let word = number.checked_sub(1).map(|at| words.get(at));
            return word.map(|word| word.cloned().unwrap_or_default());
        }
        self.variables.get(name).cloned().flatten()
    }

    fn substitution(&mut self, body: &[Node]) -> Result<Option<String>, Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let detail = "substitutions nest too deep".to_owned();
            return Err(Stop { line: 0, detail });
        }
        self.apart(|shell| shell.list(body))?;
        self.depth -= 1;
        // The one whose output is asked for everywhere.
        if let [Node::Simple(Simple { words, .. })] = body {
            let words: Vec<String> = words.iter().map(plain_text).collect();
            match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["command", "-v", program] | ["which", program] => {
                    return Ok(Some(self.program(program).unwrap_or_default()));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Expands a word to any number of fields.
    fn expand(&mut self, word: &Word, out: &mut Vec<Option<String>>) -> Result<(), Stop> {
        if let [.., Part::Variable { name, quoted: true, .. }] = word.parts.as_slice()
            && name == "@"
            && word.parts.iter().rev().skip(1).all(is_empty_literal)
        {
            match &self.positional {
                Some(words) => out.extend(words.iter().cloned().map(Some)),
                None => out.push(None),
            }
            return Ok(());
        }
        let value = self.value(word)?;
        let quoted = word.parts.iter().any(|part| match part {
            Part::Literal { text, quoted } => *quoted || !text.is_empty(),
            Part::Variable { quoted, .. }
            | Part::Substitution { quoted, .. }
            | Part::Opaque { quoted } => *quoted,
        });
        let expands = word.parts.iter().any(|part| match part {
            Part::Literal { text, quoted } => !quoted && text.contains(['*', '?', '[', '~']),
            Part::Variable { quoted, .. } | Part::Substitution { quoted, .. } => !quoted,
            Part::Opaque { .. } => true,
        });
        match value {
            Some(text) if text.is_empty() && !quoted => {}
            Some(text) if !expands => out.push(Some(text)),
            Some(text) if text == "[" => out.push(Some(text)),
            Some(text) if !text.contains(|c: char| c.is_whitespace() || "*?[~".contains(c)) => {
                out.push(Some(text));
            }
            _ => out.push(None),
        }
        Ok(())
    }

    /// `test` with its operands; `None` when the outcome is not known.
    fn test(&self, words: &[Option<String>]) -> Option<bool> {
        let words: Vec<Option<&str>> = words.iter().map(Option::as_deref).collect();
        self.test_words(&words)
    }

    fn test_words(&self, words: &[Option<&str>]) -> Option<bool> {
        match words {
            [] => Some(false),
            [word] => word.map(|word| !word.is_empty()),
            [Some("!"), rest @ ..]
                if rest.len() != 2 || !is_binary(rest.first().copied().flatten()) =>
            {
                self.test_words(rest).map(|ok| !ok)
            }
            [Some(operator), operand] => self.test_unary(operator, *operand),
            [left, Some(operator), right] if is_binary(Some(operator)) => {
                test_binary(*left, operator, *right)
            }
            _ => self.test_compound(words),
        }
    }

    fn test_compound(&self, words: &[Option<&str>]) -> Option<bool> {
        if words.iter().any(|word| matches!(word, Some("(" | ")"))) {
            return None;
        }
        for (separator, decided) in [("-o", true), ("-a", false)] {
            if let Some(at) = words.iter().position(|word| *word == Some(separator)) {
                let (left, right) = words.split_at(at);
                let left = self.test_words(left);
                let right = self.test_words(right.get(1..).unwrap_or_default());
                return match (left, right) {
                    (Some(value), _) | (_, Some(value)) if value == decided => Some(decided),
                    (Some(_), Some(_)) => Some(!decided),
                    _ => None,
                };
            }
        }
        None
    }

    fn test_unary(&self, operator: &str, operand: Option<&str>) -> Option<bool> {
        match operator {
            "-n" => operand.map(|text| !text.is_empty()),
            "-z" => operand.map(str::is_empty),
            "-d" | "-e" | "-f" | "-x" | "-h" | "-L" | "-s" | "-r" | "-S" => {
                self.test_file(operator, operand?)
            }
            _ => None,
        }
    }

    /// Only what no package ships is certain: packages of the same run may add and remove
    /// any other path before the script asks.
    fn test_file(&self, operator: &str, path: &str) -> Option<bool> {
        if path.is_empty() {
            return Some(false);
        }
        let path = ImagePath::new(path).ok()?;
        let volatile = ["/run", "/var/run", "/proc", "/sys", "/dev"];
        if !volatile.iter().any(|folder| path.starts_with(&ImagePath::literal(folder))) {
            return None;
        }
        match operator {
            "-h" | "-L" => {
                let path = self.fs.resolve_parent(&path).ok()?;
                Some(self.fs.lstat(&path).is_some_and(Entry::is_symlink))
            }
            "-d" => Some(self.fs.stat(&path).is_some_and(Entry::is_dir)),
            "-f" => Some(self.fs.stat(&path).is_some_and(Entry::is_file)),
            _ if self.fs.stat(&path).is_none() => Some(false),
            "-e" => Some(true),
            _ => None,
        }
    }
}

fn is_empty_literal(part: &Part) -> bool {
    matches!(part, Part::Literal { text, .. } if text.is_empty())
}

fn is_binary(word: Option<&str>) -> bool {
    word.is_some_and(|word| {
        ["=", "==", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge"].contains(&word)
    })
}

fn test_binary(left: Option<&str>, operator: &str, right: Option<&str>) -> Option<bool> {
    let (left, right) = (left?, right?);
    match operator {
        "=" | "==" => return Some(left == right),
        "!=" => return Some(left != right),
        _ => {}
    }
    let (left, right) = (left.parse::<i64>().ok()?, right.parse::<i64>().ok()?);
    Some(match operator {
        "-eq" => left == right,
        "-ne" => left != right,
        "-lt" => left < right,
        "-le" => left <= right,
        "-gt" => left > right,
        "-ge" => left >= right,
        _ => return None,
    })
}

/// `dpkg --compare-versions`: an empty version is earlier than any, and with `-nl` later.
pub(super) fn compare_versions(one: &str, operator: &str, other: &str) -> Option<bool> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let empty_is_late = operator.ends_with("-nl");
    let order = match (one.is_empty(), other.is_empty()) {
        (true, true) => Equal,
        (true, false) if empty_is_late => Greater,
        (false, true) if empty_is_late => Less,
        (true, false) => Less,
        (false, true) => Greater,
        (false, false) => {
            Version::parse_recorded(one).ok()?.cmp(&Version::parse_recorded(other).ok()?)
        }
    };
    Some(match operator.trim_end_matches("-nl") {
        "lt" | "<<" => order == Less,
        "le" | "<=" | "<" => order != Greater,
        "eq" | "=" => order == Equal,
        "ne" => order != Equal,
        "ge" | ">=" | ">" => order != Less,
        "gt" | ">>" => order == Greater,
        _ => return None,
    })
}

fn is_state_verb(word: &str) -> bool {
    ["enable", "disable", "mask", "unmask", "preset", "link", "set-default"].contains(&word)
}

/// A word as in the script, roughly, for messages.
fn display(word: &Word) -> String {
    word.parts
        .iter()
        .map(|part| match part {
            Part::Literal { text, .. } => text.clone(),
            Part::Variable { name, .. } => format!("${name}"),
            Part::Substitution { .. } => "$(...)".to_owned(),
            Part::Opaque { .. } => "${...}".to_owned(),
        })
        .collect()
}
