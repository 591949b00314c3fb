//! Lists, pipelines and compound commands.

use std::rc::Rc;

use bstr::BString;

use super::expand::{Byte, pattern};
use super::flow::{Eval, Exit, Failure};
use super::redirect::Before;
use super::{Dialect, Shell};
use crate::syntax::Parser;
use crate::syntax::tree::{
    AndOr, Arm, ArmEnd, Command, Connective, Goes, Ground, Kind, Pipeline, Word,
};
use crate::{Stop, Stream};

/// How deep constructs of all running scripts may nest when they are evaluated.
const MAX_NESTING: usize = 800;

impl Shell<'_> {
    /// Evaluates the text of a script, command line by command line. Lines of functions and
    /// stops are those of the text.
    pub(super) fn run_text(&mut self, text: &[u8]) -> Eval {
        self.run_text_at(text, 1, Failure::Ends)
    }

    pub(super) fn run_text_at(&mut self, text: &[u8], line: u32, failure: Failure) -> Eval {
        self.machine.spend_data(text.len())?;
        let mut parser = Parser::starting_at(text, self.dialect, line);
        let mut status = 0;
        loop {
            let commands = parser.next_commands().map_err(|error| {
                self.state.line = error.line;
                Stop::new(format!("syntax error: {}", error.problem))
            })?;
            let Some(commands) = commands else { return Ok(status) };
            status = self.list(&commands, failure)?;
        }
    }

    pub(super) fn list(&mut self, list: &[AndOr], failure: Failure) -> Eval {
        let mut status = 0;
        for item in list {
            status = self.and_or(item, failure)?;
        }
        Ok(status)
    }

    fn and_or(&mut self, item: &AndOr, failure: Failure) -> Eval {
        if item.ground == Ground::Background {
            if let Some(command) = item.first.commands.first() {
                self.state.line = command.line;
            }
            return Err(Stop::new("a command in the background").into());
        }
        let mut pipelines = vec![(Connective::And, &item.first)];
        pipelines.extend(item.rest.iter().map(|(connective, pipeline)| (*connective, pipeline)));
        let last = item.rest.len();
        let mut status = 0;
        for (at, (connective, pipeline)) in pipelines.into_iter().enumerate() {
            let wanted = match connective {
                Connective::And => status == 0,
                Connective::Or => status != 0,
            };
            if at > 0 && !wanted {
                continue;
            }
            let failure = if at == last { failure } else { Failure::Tested };
            status = self.pipeline(pipeline, failure)?;
        }
        Ok(status)
    }

    fn pipeline(&mut self, pipeline: &Pipeline, failure: Failure) -> Eval {
        let inner = if pipeline.negated { Failure::Tested } else { failure };
        let status = match &pipeline.commands[..] {
            [command] => {
                let status = self.command(command, inner)?;
                if self.dialect == Dialect::Bash {
                    self.state.pipe_statuses = vec![status];
                }
                status
            }
            commands => self.pipe(commands, inner)?,
        };
        if pipeline.negated {
            self.state.status = u8::from(status == 0);
            return Ok(self.state.status);
        }
        Ok(status)
    }

    /// Each side in a subshell, from left to right; what one writes, the next one reads.
    fn pipe(&mut self, commands: &[Command], failure: Failure) -> Eval {
        let mut statuses = Vec::new();
        let mut input = None;
        for (at, command) in commands.iter().enumerate() {
            let output = (at + 1 < commands.len()).then(Stream::collector);
            let status = self.subshell(|shell| {
                if let Some(input) = input.take() {
                    shell.state.descriptors.set(0, input);
                }
                if let Some(output) = &output {
                    shell.state.descriptors.set(1, output.clone());
                }
                shell.command(command, failure)
            })?;
            statuses.push(status);
            input = output.map(|output| output.other_end());
        }
        let last = statuses.last().copied().unwrap_or_default();
        let failed = statuses.iter().rev().find(|status| **status != 0).copied();
        let status = match self.state.options.pipe_fail {
            true => failed.unwrap_or(0),
            false => last,
        };
        self.state.pipe_statuses = statuses;
        self.checked(status, failure)
    }

    /// Sets `$?`, and ends the shell when it must.
    pub(super) fn checked(&mut self, status: u8, failure: Failure) -> Eval {
        self.state.status = status;
        let ends = self.state.options.exit_on_error && failure == Failure::Ends && status != 0;
        if ends { Err(Exit::Shell(status)) } else { Ok(status) }
    }

    /// Evaluates with a copy of the state, which goes afterwards; what the kernel holds
    /// (files, positions of open files) stays.
    pub(super) fn subshell(&mut self, run: impl FnOnce(&mut Self) -> Eval) -> Result<u8, Exit> {
        self.machine.spend(1 + self.state.variables.count() as u64 / 64)?;
        let saved = self.state.clone();
        // The copy shares them until it changes them; then both are held.
        let waiting = self.state.variables.size();
        self.machine.waiting_variables += waiting;
        // Traps are the parent's, save for signals that are ignored.
        self.state.traps.retain(|_, action| action.is_none());
        let result = run(self);
        let result = self.finish(result);
        self.machine.waiting_variables -= waiting;
        let line = self.state.line;
        self.state = saved;
        result.map_err(|stop| {
            self.state.line = line;
            Exit::Stop(stop)
        })
    }

    pub(super) fn command(&mut self, command: &Command, failure: Failure) -> Eval {
        self.machine.spend(1)?;
        if self.state.options.no_execute {
            return Ok(0);
        }
        if self.machine.nesting >= MAX_NESTING {
            return Err(Stop::new("commands nest too deep").into());
        }
        self.machine.nesting += 1;
        let result = self.command_inside(command, failure);
        self.machine.nesting -= 1;
        result
    }

    fn command_inside(&mut self, command: &Command, failure: Failure) -> Eval {
        self.state.line = command.line;
        match &command.kind {
            Kind::Simple(simple) => {
                let status = self.simple(simple, &command.redirects, failure)?;
                self.checked(status, failure)
            }
            Kind::Subshell(list) => {
                let status = self.subshell(|shell| {
                    shell.redirect(&command.redirects, &mut Before::default())?;
                    shell.list(list, failure)
                })?;
                self.checked(status, failure)
            }
            kind if command.redirects.is_empty() => self.compound(kind, failure),
            kind => {
                let mut before = Before::default();
                let result = match self.redirect(&command.redirects, &mut before) {
                    Ok(()) => self.compound(kind, failure),
                    Err(Exit::Error) => {
                        if self.dialect == Dialect::Ash && self.state.options.exit_on_error {
                            return Err(Stop::new("a redirection that fails, with set -e").into());
                        }
                        let status = self.redirect_failure();
                        self.checked(status, failure)
                    }
                    Err(other) => Err(other),
                };
                self.take_back(before);
                result
            }
        }
    }

    fn compound(&mut self, kind: &Kind, failure: Failure) -> Eval {
        let status = match kind {
            Kind::Simple(_) | Kind::Subshell(_) => 0,
            Kind::Group(list) => return self.list(list, failure),
            Kind::If { branches, otherwise } => {
                return self.if_clause(branches, otherwise.as_deref(), failure);
            }
            Kind::Case { subject, arms } => self.case_clause(subject, arms, failure)?,
            Kind::For { name, words, body } => {
                self.for_clause(name, words.as_deref(), body, failure)?
            }
            Kind::Loop { goes, condition, body } => {
                self.loop_clause(*goes, condition, body, failure)?
            }
            Kind::Function { name, body } => {
                Rc::make_mut(&mut self.state.functions).insert(name.clone(), Rc::clone(body));
                0
            }
            Kind::Condition(condition) => {
                let status = u8::from(!self.condition(condition)?);
                return self.checked(status, failure);
            }
            Kind::Arithmetic(word) => {
                let status = self.arithmetic_command(word)?;
                return self.checked(status, failure);
            }
            Kind::ArithmeticFor { start, condition, step, body } => {
                self.arithmetic_for((start, condition, step), body, failure)?
            }
        };
        self.state.status = status;
        Ok(status)
    }

    fn if_clause(
        &mut self,
        branches: &[(Vec<AndOr>, Vec<AndOr>)],
        otherwise: Option<&[AndOr]>,
        failure: Failure,
    ) -> Eval {
        for (condition, body) in branches {
            if self.list(condition, Failure::Tested)? == 0 {
                return self.list(body, failure);
            }
        }
        if let Some(body) = otherwise {
            return self.list(body, failure);
        }
        self.state.status = 0;
        Ok(0)
    }

    fn case_clause(&mut self, subject: &Word, arms: &[Arm], failure: Failure) -> Eval {
        let subject = self.expand_text(subject)?;
        let mut status = 0;
        let mut entered = false;
        for arm in arms {
            if !entered && !self.arm_matches(arm, &subject)? {
                continue;
            }
            status = self.list(&arm.body, failure)?;
            match arm.end {
                ArmEnd::Leave => break,
                ArmEnd::FallThrough => entered = true,
                ArmEnd::TestNext => entered = false,
            }
        }
        Ok(status)
    }

    fn arm_matches(&mut self, arm: &Arm, subject: &[u8]) -> Eval<bool> {
        for word in &arm.patterns {
            self.machine.spend(1)?;
            let pattern = self.expand_pattern(word)?;
            if self.pattern_matches(&pattern, subject)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a pattern matches all of a text.
    pub(super) fn pattern_matches(&mut self, pattern: &[Byte], text: &[u8]) -> Eval<bool> {
        self.machine.spend((pattern.len() as u64).saturating_mul(text.len() as u64) / 4096)?;
        Ok(pattern::matches(pattern, text))
    }

    fn for_clause(
        &mut self,
        name: &BString,
        words: Option<&[Word]>,
        body: &[AndOr],
        failure: Failure,
    ) -> Eval {
        let values = match words {
            Some(words) => self.expand_words(words)?,
            None => self.state.positional.to_vec(),
        };
        let mut status = 0;
        self.state.loops += 1;
        for value in values {
            self.machine.spend(1)?;
            self.assign(name, value)?;
            match self.round(body, failure)? {
                Round::Ended(ended) => status = ended,
                Round::Broken(ended) => {
                    status = ended;
                    break;
                }
            }
        }
        self.state.loops = self.state.loops.saturating_sub(1);
        Ok(status)
    }

    fn loop_clause(
        &mut self,
        goes: Goes,
        condition: &[AndOr],
        body: &[AndOr],
        failure: Failure,
    ) -> Eval {
        let mut status = 0;
        self.state.loops += 1;
        loop {
            self.machine.spend(1)?;
            let held = match self.round(condition, Failure::Tested)? {
                Round::Ended(status) => status == 0,
                Round::Broken(ended) => {
                    status = ended;
                    break;
                }
            };
            if held != (goes == Goes::While) {
                break;
            }
            match self.round(body, failure)? {
                Round::Ended(ended) => status = ended,
                Round::Broken(ended) => {
                    status = ended;
                    break;
                }
            }
        }
        self.state.loops = self.state.loops.saturating_sub(1);
        Ok(status)
    }

    /// One round of a loop.
    pub(super) fn round(&mut self, body: &[AndOr], failure: Failure) -> Eval<Round> {
        let outward = |shell: &mut Self, exit| {
            shell.state.loops = shell.state.loops.saturating_sub(1);
            Err(exit)
        };
        match self.list(body, failure) {
            Ok(status) => Ok(Round::Ended(status)),
            Err(Exit::Break(1)) => Ok(Round::Broken(0)),
            Err(Exit::Continue(1)) => Ok(Round::Ended(0)),
            Err(Exit::Break(levels)) => outward(self, Exit::Break(levels - 1)),
            Err(Exit::Continue(levels)) => outward(self, Exit::Continue(levels - 1)),
            Err(exit) => outward(self, exit),
        }
    }
}

pub(super) enum Round {
    Ended(u8),
    Broken(u8),
}
