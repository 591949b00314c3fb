//! Simple commands: assignments, and which function, builtin or program a name means.

use std::collections::BTreeMap;
use std::rc::Rc;

use bstr::{BString, ByteSlice as _};

use super::bash::Element;
use super::builtins::{self, Builtin, Class};
use super::flow::{Eval, Exit, Failure};
use super::redirect::Before;
use super::variables::Value;
use super::{Dialect, Shell};
use crate::machine::MAX_VARIABLES;
use crate::syntax::is_name;
use crate::syntax::tree::{Assignment, Command, Part, Redirect, Simple, Word};
use crate::{Call, Stop};

/// What a command's name means.
pub(super) enum Meaning {
    Function(Rc<Command>),
    Builtin(&'static Builtin),
    /// Looked for in `PATH`.
    Program,
}

/// A command with its words expanded.
struct Expanded {
    argv: Vec<BString>,
    meaning: Meaning,
    /// A special builtin is what the name means, and not called through `command`.
    special: bool,
    /// `command -p`: the default `PATH` is searched.
    default_path: bool,
    /// `NAME=(...)` among the arguments of a declaration (bash).
    arrays: Vec<(BString, Value)>,
}

impl Shell<'_> {
    /// Runs a simple command; whoever calls it looks at the status.
    pub(super) fn simple(
        &mut self,
        simple: &Simple,
        redirects: &[Redirect],
        failure: Failure,
    ) -> Eval {
        self.state.substituted = None;
        let line = self.state.line;
        let expanded = self.expand_command(&simple.words)?;
        let Some(expanded) = expanded else {
            return self.assignments_only(simple, redirects);
        };
        let mut before = Before::default();
        let persistent = matches!(&expanded.meaning, Meaning::Builtin(builtin) if builtin.name == "exec")
            && expanded.argv.len() == 1;
        let ends = expanded.special && self.dialect != Dialect::Bash;
        if let Err(exit) = self.redirect(redirects, &mut before) {
            self.take_back(before);
            return match exit {
                Exit::Error if !ends => Ok(self.redirect_failure()),
                Exit::Error if self.dialect == Dialect::Ash => Err(Exit::Shell(1)),
                exit => Err(exit),
            };
        }
        let result = self.with_assignments(&simple.assignments, expanded, failure);
        if !persistent {
            self.take_back(before);
        }
        self.state.line = if result.is_ok() { line } else { self.state.line };
        result
    }

    fn assignments_only(&mut self, simple: &Simple, redirects: &[Redirect]) -> Eval {
        let mut before = Before::default();
        let redirected = self.redirect(redirects, &mut before);
        self.take_back(before);
        match redirected {
            Err(Exit::Error) => return Ok(self.redirect_failure()),
            other => other?,
        }
        let mut traced = Vec::new();
        for assignment in &simple.assignments {
            self.lasting_assignment(assignment, &mut traced)?;
        }
        self.trace(&traced)?;
        Ok(self.state.substituted.unwrap_or(0))
    }

    /// Expands the words of a command. The first one decides how the others are expanded:
    /// arguments of `export` and its like that assign are not split.
    fn expand_command(&mut self, words: &[Word]) -> Eval<Option<Expanded>> {
        let mut words = words.iter();
        let mut argv = Vec::new();
        while argv.is_empty() {
            let Some(word) = words.next() else { return Ok(None) };
            self.expand_word(word, &mut argv)?;
        }
        let mut special = None;
        let mut functions = true;
        let mut default_path = false;
        let meaning = loop {
            let Some(name) = argv.first() else { break Meaning::Program };
            let meaning = self.meaning(name, functions);
            let Meaning::Builtin(builtin) = &meaning else { break meaning };
            special.get_or_insert(builtin.class == Class::Special);
            if builtin.name != "command" {
                break meaning;
            }
            // `command NAME`: functions do not count, and nothing is special.
            while argv.len() < 2 {
                let Some(word) = words.next() else { break };
                self.expand_word(word, &mut argv)?;
            }
            let skip = match argv.get(1).map(|word| &word[..]) {
                Some(b"--") => 2,
                Some(b"-p") => 2,
                Some(option) if option.starts_with(b"-") => break meaning,
                Some(_) => 1,
                None => break meaning,
            };
            default_path |= argv.get(1).is_some_and(|word| &word[..] == b"-p");
            while argv.len() <= skip {
                let Some(word) = words.next() else { break };
                self.expand_word(word, &mut argv)?;
            }
            if argv.len() <= skip {
                break meaning;
            }
            argv.drain(..skip);
            functions = false;
        };
        let declares = matches!(&meaning, Meaning::Builtin(builtin) if builtin.declares);
        let mut arrays = Vec::new();
        for word in words {
            if let [Part::Literal(name), Part::Array(elements)] = &word.parts[..] {
                let name = name.trim_end_with(|c| c == '=');
                arrays.push((name.into(), self.array_value(name, elements, BTreeMap::new())?));
                argv.push(name.into());
                continue;
            }
            match assigned_word(word).filter(|_| declares) {
                Some((name, value)) => {
                    let value = self.expand_value(&value)?;
                    argv.push([&name[..], &value[..]].concat().into());
                }
                None => self.expand_word(word, &mut argv)?,
            }
        }
        Ok(Some(Expanded {
            argv,
            meaning,
            special: special.unwrap_or(false),
            default_path,
            arrays,
        }))
    }

    /// What a name means, programs not looked for.
    pub(super) fn meaning(&self, name: &[u8], functions: bool) -> Meaning {
        let builtin = builtins::find(name, self.dialect);
        let special = builtin.filter(|builtin| builtin.class == Class::Special);
        // A special builtin comes before a function, in dash and in POSIX.
        if let Some(builtin) = special.filter(|_| self.dialect != Dialect::Bash) {
            return Meaning::Builtin(builtin);
        }
        match self.state.functions.get(name).filter(|_| functions) {
            Some(body) => Meaning::Function(Rc::clone(body)),
            None => builtin.map_or(Meaning::Program, Meaning::Builtin),
        }
    }

    fn with_assignments(
        &mut self,
        assignments: &[Assignment],
        expanded: Expanded,
        failure: Failure,
    ) -> Eval {
        let lasting = expanded.special && self.dialect != Dialect::Bash;
        if assignments.is_empty() || lasting {
            let mut traced = Vec::new();
            for assignment in assignments {
                self.lasting_assignment(assignment, &mut traced)?;
            }
            traced.extend(expanded.argv.iter().cloned());
            self.trace(&traced)?;
            return self.invoke(expanded, failure);
        }
        self.state.variables.enter();
        let mut traced = Vec::new();
        let result = self.local_assignments(assignments, &mut traced).and_then(|()| {
            traced.extend(expanded.argv.iter().cloned());
            self.trace(&traced)?;
            self.invoke(expanded, failure)
        });
        self.state.variables.leave();
        result
    }

    fn lasting_assignment(
        &mut self,
        assignment: &Assignment,
        traced: &mut Vec<BString>,
    ) -> Eval<()> {
        let (element, value) = self.assigned(assignment)?;
        if let Value::Text(text) = &value {
            traced.push([&assignment.name[..], b"=", &text[..]].concat().into());
        }
        self.assign_element(&assignment.name, element, value)
    }

    fn local_assignments(
        &mut self,
        assignments: &[Assignment],
        traced: &mut Vec<BString>,
    ) -> Eval<()> {
        for assignment in assignments {
            let name = &assignment.name;
            let (Element::Whole, Value::Text(value)) = self.assigned(assignment)? else {
                return Err(Stop::new("an array assigned before a command").into());
            };
            traced.push([&name[..], b"=", &value[..]].concat().into());
            self.state.variables.hide(name);
            self.assign(name, value)?;
            self.state.variables.mark(name, |variable| variable.exported = true);
        }
        Ok(())
    }

    fn invoke(&mut self, expanded: Expanded, failure: Failure) -> Eval {
        match expanded.meaning {
            Meaning::Function(body) => self.call_function(&body, expanded.argv, failure),
            Meaning::Builtin(builtin) => {
                let result = (builtin.run)(self, &expanded.argv, failure);
                for (name, value) in expanded.arrays {
                    self.assign_element(&name, Element::Whole, value)?;
                }
                match result {
                    Err(Exit::Error) if !(expanded.special && self.dialect != Dialect::Bash) => {
                        Ok(builtin.failure(self.dialect))
                    }
                    other => other,
                }
            }
            Meaning::Program => self.run_program(expanded.argv, expanded.default_path),
        }
    }

    fn call_function(&mut self, body: &Command, argv: Vec<BString>, failure: Failure) -> Eval {
        let arguments = Rc::new(argv.into_iter().skip(1).collect());
        let positional = std::mem::replace(&mut self.state.positional, arguments);
        let loops = std::mem::take(&mut self.state.loops);
        let scan = self.state.scan;
        self.state.variables.enter();
        self.state.functions_running += 1;
        let result = self.command(body, failure);
        self.state.functions_running = self.state.functions_running.saturating_sub(1);
        self.state.variables.leave();
        self.state.positional = positional;
        self.state.loops = loops;
        self.state.scan = scan;
        match result {
            Err(Exit::Return(status)) => {
                self.state.status = status;
                Ok(status)
            }
            other => other,
        }
    }

    /// Runs a program and waits for it.
    pub(super) fn run_program(&mut self, argv: Vec<BString>, default_path: bool) -> Eval {
        let name = argv.first().cloned().unwrap_or_default();
        self.machine.spend_data(self.state.variables.size())?;
        let call = self.call(argv);
        match self.program(&call, &name, default_path)? {
            Found::Program(path) => {
                let waiting = self.state.variables.size();
                self.machine.waiting_variables += waiting;
                let status = self.machine.start(&path, call);
                self.machine.waiting_variables -= waiting;
                Ok(status?)
            }
            Found::Nothing => self.not_run(&name, "not found", 127),
            Found::NotExecutable => self.not_run(&name, "Permission denied", 126),
        }
    }

    fn call(&self, argv: Vec<BString>) -> Call {
        Call {
            argv,
            environment: self.state.variables.environment(),
            directory: self.state.directory.clone(),
            umask: self.state.umask,
            descriptors: self.state.descriptors.clone(),
        }
    }

    fn program(&mut self, call: &Call, name: &[u8], default_path: bool) -> Result<Found, Stop> {
        if name.contains(&b'/') {
            return Ok(match self.machine.stat(&call.directory, name)? {
                Err(_) => Found::Nothing,
                Ok(_) if self.machine.is_program(&call.directory, name)? => {
                    Found::Program(name.to_vec())
                }
                Ok(_) => Found::NotExecutable,
            });
        }
        Ok(self.search(name, default_path)?.map_or(Found::Nothing, Found::Program))
    }

    /// The program that `PATH` gives for a name.
    pub(super) fn search(
        &mut self,
        name: &[u8],
        default_path: bool,
    ) -> Result<Option<Vec<u8>>, Stop> {
        if name.is_empty() {
            return Ok(None);
        }
        let mut call = self.call(Vec::new());
        let path = match default_path {
            true => b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec(),
            false => self.state.variables.get(b"PATH").unwrap_or_default().to_vec(),
        };
        call.environment.insert("PATH".into(), path.into());
        self.machine.which(&call, name)
    }

    fn not_run(&mut self, name: &[u8], why: &str, status: u8) -> Eval {
        match self.error([name, b": ", why.as_bytes()].concat()) {
            Exit::Error => Ok(status),
            exit => Err(exit),
        }
    }

    /// All variables together are bounded, with those of the shells that wait for this one.
    pub(super) fn room_for(&self, size: usize) -> Result<(), Stop> {
        let held = self.machine.waiting_variables.saturating_add(self.state.variables.size());
        match held.saturating_add(size) > MAX_VARIABLES {
            true => Err(Stop::new("its variables hold too much data")),
            false => Ok(()),
        }
    }

    /// Sets a variable as an assignment does.
    pub(super) fn assign(&mut self, name: &[u8], value: BString) -> Eval<()> {
        self.machine.spend_data(value.len())?;
        self.room_for(value.len())?;
        if name == b"OPTIND" {
            self.state.scan = Default::default();
        }
        if self.state.variables.set(name, Value::Text(value)).is_err() {
            if self.dialect == Dialect::Bash {
                return Err(Stop::new("an assignment to a read-only variable").into());
            }
            return Err(self.error([name, b": is read only"].concat()));
        }
        if self.state.options.all_export {
            self.state.variables.mark(name, |variable| variable.exported = true);
        }
        Ok(())
    }

    /// `set -x`.
    fn trace(&mut self, words: &[BString]) -> Result<(), Stop> {
        if !self.state.options.trace {
            return Ok(());
        }
        let prefix = self.state.variables.get(b"PS4").unwrap_or_default().to_vec();
        let line = [prefix, bstr::join(" ", words), b"\n".to_vec()].concat();
        self.write_to(2, &line)?;
        Ok(())
    }
}

/// Where a program is.
enum Found {
    Program(Vec<u8>),
    NotExecutable,
    Nothing,
}

/// `NAME=` and the value of a word that looks like an assignment as it stands in the script.
fn assigned_word(word: &Word) -> Option<(BString, Word)> {
    let (Part::Literal(text), rest) = word.parts.split_first()? else { return None };
    let equals = text.iter().position(|b| *b == b'=')?;
    is_name(text.get(..equals)?).then_some(())?;
    let (name, value) = text.split_at(equals + 1);
    let mut parts = Vec::new();
    if !value.is_empty() {
        parts.push(Part::Literal(value.into()));
    }
    parts.extend_from_slice(rest);
    Some((name.into(), Word { parts }))
}
