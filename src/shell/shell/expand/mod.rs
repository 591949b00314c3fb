//! Words to fields: tildes, parameters, command substitution, arithmetic, field splitting,
//! pathname expansion and quote removal (POSIX.1-2017, Shell Command Language, section 2.6).

pub(super) mod arithmetic;
mod field;
mod glob;
mod parameter;
pub(super) mod pattern;
mod tilde;

use bstr::BString;

pub(super) use field::Byte;
use field::Fields;

use super::bash::expand_braces;
use super::flow::{Eval, Exit};
use super::{Dialect, Shell};
use crate::machine::MAX_VARIABLES;
use crate::syntax::tree::{AndOr, Part, Word};
use crate::{Stop, Stream};

/// How the parts of a word are expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    /// They stand in double quotes.
    pub quoted: bool,
    /// Results are split into fields.
    pub split: bool,
    /// Literal text is split too: the word of `${x:-word}`.
    pub split_literals: bool,
    pub tilde: Tilde,
}

/// Where a tilde is a home directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tilde {
    Never,
    /// At the beginning of the word.
    First,
    /// Behind colons too: the value of an assignment.
    Assignment,
}

/// Up to this size words are not added up: the limit on steps is enough for them.
const MAX_WORD: usize = 4096;

/// What a word costs beside its bytes: a million of one byte take a hundred megabytes.
const WORD: usize = 64;

const COMMAND_WORD: Mode =
    Mode { quoted: false, split: true, split_literals: false, tilde: Tilde::First };

impl Shell<'_> {
    /// The fields of the words of a command.
    pub(super) fn expand_words(&mut self, words: &[Word]) -> Eval<Vec<BString>> {
        let mut all = Vec::new();
        for word in words {
            self.expand_word(word, &mut all)?;
        }
        Ok(all)
    }

    /// Adds the fields of one word.
    pub(super) fn expand_word(&mut self, word: &Word, all: &mut Vec<BString>) -> Eval<()> {
        if self.dialect == Dialect::Bash {
            for word in expand_braces(word)? {
                self.machine.spend(1)?;
                self.expand_word_without_braces(&word, all)?;
            }
            return Ok(());
        }
        self.expand_word_without_braces(word, all)
    }

    fn expand_word_without_braces(&mut self, word: &Word, all: &mut Vec<BString>) -> Eval<()> {
        let mut fields = Fields::new(self.separators());
        self.parts(&word.parts, COMMAND_WORD, &mut fields)?;
        let before = all.len();
        for field in fields.finish() {
            self.machine.spend(1)?;
            self.machine.spend_data(field.len())?;
            self.pathnames(field, all)?;
        }
        // However many words there are: all of a command may hold what all variables may.
        let weight = |words: &[BString]| words.iter().map(|word| word.len() + WORD).sum::<usize>();
        let added = weight(all.get(before..).unwrap_or_default());
        if added > MAX_WORD && weight(all) > MAX_VARIABLES {
            return Err(Stop::new("the words of a command hold too much data").into());
        }
        Ok(())
    }

    /// The text of a word that is one field whatever is in it.
    pub(super) fn expand_text(&mut self, word: &Word) -> Eval<BString> {
        self.expand_unsplit(word, Tilde::First)
    }

    /// The value of an assignment.
    pub(super) fn expand_value(&mut self, word: &Word) -> Eval<BString> {
        self.expand_unsplit(word, Tilde::Assignment)
    }

    /// The text of a here-document or an arithmetic expression.
    pub(super) fn expand_quoted(&mut self, word: &Word) -> Eval<BString> {
        let mode = Mode { quoted: true, split: false, split_literals: false, tilde: Tilde::Never };
        self.expand_one(word, mode).map(|bytes| field::text(&bytes))
    }

    fn expand_unsplit(&mut self, word: &Word, tilde: Tilde) -> Eval<BString> {
        let mode = Mode { quoted: false, split: false, split_literals: false, tilde };
        self.expand_one(word, mode).map(|bytes| field::text(&bytes))
    }

    /// A pattern: quoted bytes stand for themselves.
    pub(super) fn expand_pattern(&mut self, word: &Word) -> Eval<Vec<Byte>> {
        let tilde = Tilde::First;
        let mode = Mode { quoted: false, split: false, split_literals: false, tilde };
        self.expand_one(word, mode)
    }

    fn expand_one(&mut self, word: &Word, mode: Mode) -> Eval<Vec<Byte>> {
        let mut fields = Fields::new(self.separators());
        self.parts(&word.parts, mode, &mut fields)?;
        let all = fields.finish();
        let mut joined = Vec::new();
        for (at, field) in all.into_iter().enumerate() {
            if at > 0 {
                joined.push(Byte::quoted(b' '));
            }
            joined.extend(field);
        }
        self.machine.spend_data(joined.len())?;
        Ok(joined)
    }

    /// The bytes of `IFS`.
    pub(super) fn separators(&self) -> Vec<u8> {
        self.state.variables.get(b"IFS").map_or_else(|| b" \t\n".to_vec(), <[u8]>::to_vec)
    }

    fn parts(&mut self, parts: &[Part], mode: Mode, fields: &mut Fields) -> Eval<()> {
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(text) => self.literal(text, parts, at, mode, fields)?,
                Part::Quoted(text) => fields.push_quoted(text),
                Part::DoubleQuoted(inner) => self.double_quoted(inner, mode, fields)?,
                Part::Parameter(parameter) => self.parameter(parameter, mode, fields)?,
                Part::Command(list) => {
                    let output = self.substitute(list)?;
                    fields.push_result(&output, mode);
                }
                Part::Arithmetic(word) => {
                    let expression = self.expand_quoted(word)?;
                    let value = self.arithmetic(&expression)?;
                    fields.push_result(value.to_string().as_bytes(), mode);
                }
                Part::Process => return Err(Stop::new("a process substitution").into()),
                Part::Array(_) => return Err(Stop::new("an array in an argument").into()),
            }
        }
        Ok(())
    }

    fn double_quoted(&mut self, inner: &[Part], mode: Mode, fields: &mut Fields) -> Eval<()> {
        let mode =
            Mode { quoted: true, split: mode.split, split_literals: false, tilde: Tilde::Never };
        let is_all = |part: &Part| matches!(part, Part::Parameter(parameter) if parameter.is_all());
        if !inner.iter().any(is_all) {
            fields.begin();
        }
        self.parts(inner, mode, fields)
    }

    fn literal(
        &mut self,
        text: &[u8],
        parts: &[Part],
        at: usize,
        mode: Mode,
        fields: &mut Fields,
    ) -> Eval<()> {
        let last = at + 1 == parts.len();
        let mut rest = text;
        let mut first = at == 0;
        loop {
            let tilde = match mode.tilde {
                Tilde::Never => false,
                Tilde::First | Tilde::Assignment => first,
            };
            if tilde && let Some((home, after)) = self.home_directory(rest, last, mode.tilde)? {
                fields.push_quoted(&home);
                rest = after;
            }
            let colon =
                rest.iter().position(|b| *b == b':').filter(|_| mode.tilde == Tilde::Assignment);
            let end = colon.map_or(rest.len(), |colon| colon + 1);
            let piece = rest.get(..end).unwrap_or_default();
            match mode.split_literals && mode.split {
                true => fields.push_split(piece),
                false => fields.push_literal(piece),
            }
            rest = rest.get(end..).unwrap_or_default();
            first = true;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// What commands write to standard output, without newlines at the end.
    pub(super) fn substitute(&mut self, list: &[AndOr]) -> Eval<Vec<u8>> {
        let output = Stream::collector();
        let line = self.state.line;
        let status = self.subshell(|shell| {
            shell.state.descriptors.set(1, output.clone());
            shell.enter_substitution();
            shell.list(list, super::flow::Failure::Ends)
        })?;
        self.state.line = line;
        self.state.substituted = Some(status);
        self.state.status = status;
        let mut text = output.collected();
        while text.last() == Some(&b'\n') {
            text.pop();
        }
        // A shell cannot hold NUL bytes in strings.
        text.retain(|b| *b != 0);
        Ok(text)
    }

    fn enter_substitution(&mut self) {
        if self.dialect != Dialect::Posix && !self.state.shell_options.inherit_errexit {
            self.state.options.exit_on_error = false;
        }
    }

    /// Writes an error as the shell words it, and returns the way out.
    pub(super) fn error(&mut self, message: impl AsRef<[u8]>) -> Exit {
        let line = self.state.line.to_string();
        let text =
            [&self.state.name[..], b": ", line.as_bytes(), b": ", message.as_ref(), b"\n"].concat();
        match self.write_to(2, &text) {
            Ok(_) => Exit::Error,
            Err(stop) => Exit::Stop(stop),
        }
    }

    /// Writes to a descriptor; whether that could be done.
    pub(super) fn write_to(&mut self, descriptor: u32, data: &[u8]) -> Result<bool, Stop> {
        match self.state.descriptors.get(descriptor).cloned() {
            Some(stream) => Ok(self.machine.write(&stream, data)?.is_ok()),
            None => Ok(false),
        }
    }
}
