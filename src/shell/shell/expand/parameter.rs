//! Parameters: values, their alternatives, and parts of them.

use bstr::BString;

use super::field::{Byte, Fields};
use super::{Mode, Tilde, pattern};
use crate::Stop;
use crate::shell::bash::cased;
use crate::shell::flow::{Eval, Exit};
use crate::shell::{Dialect, Shell};
use crate::syntax::is_name;
use crate::syntax::tree::{Alternative, Extent, Index, Operation, Parameter, Side, Word};

/// What a parameter stands for.
enum Content {
    Unset,
    Text(BString),
    /// `$@` and `$*`: values, and whether they are one field in quotes.
    List {
        values: Vec<BString>,
        joined: bool,
    },
}

/// Variables of bash that change by themselves.
const LIVING: &[&[u8]] = &[
    b"RANDOM",
    b"SRANDOM",
    b"SECONDS",
    b"EPOCHSECONDS",
    b"EPOCHREALTIME",
    b"BASHPID",
    b"PPID",
    b"BASH_VERSION",
    b"BASH_VERSINFO",
    b"BASH_SOURCE",
    b"BASH_LINENO",
    b"FUNCNAME",
    b"HOSTNAME",
    b"BASH_COMMAND",
    b"BASH_SUBSHELL",
    b"SHELLOPTS",
    b"BASHOPTS",
    b"DIRSTACK",
    b"GROUPS",
    b"HOSTTYPE",
    b"MACHTYPE",
    b"OSTYPE",
    b"SHLVL",
];

/// The bytes that an offset and a length mean: negative ones count from the end.
fn range(size: usize, offset: i64, length: Option<i64>) -> Option<(usize, usize)> {
    let size = i64::try_from(size).ok()?;
    let from = if offset < 0 { size.saturating_add(offset) } else { offset };
    if from < 0 || from > size {
        return Some((0, 0));
    }
    let to = match length {
        None => size,
        Some(length) if length < 0 => size.saturating_add(length),
        Some(length) => from.saturating_add(length).min(size),
    };
    (to >= from).then_some(())?;
    Some((usize::try_from(from).ok()?, usize::try_from(to).ok()?))
}

/// Whether a variable of bash changes by itself.
pub(super) fn is_living(name: &[u8]) -> bool {
    LIVING.contains(&name)
}

impl Parameter {
    /// Whether it is `$@` in one of its forms: nothing at all when there are no values.
    pub(super) fn is_all(&self) -> bool {
        let all = &self.name[..] == b"@" || self.index == Some(Index::All);
        all && self.operation != Operation::Length
    }
}

impl Shell<'_> {
    pub(super) fn parameter(
        &mut self,
        parameter: &Parameter,
        mode: Mode,
        fields: &mut Fields,
    ) -> Eval<()> {
        let name = self.meant_name(parameter)?;
        let content = match &parameter.index {
            None => self.content(&name)?,
            Some(index) => self.element(&name, index)?,
        };
        match &parameter.operation {
            Operation::Value => {
                let content = self.must_be_set(&parameter.name, content)?;
                self.push_content(content, mode, fields);
                Ok(())
            }
            Operation::Names => {
                let names = self.state.variables.iter().map(|(known, _)| known);
                let values = names.filter(|known| known.starts_with(&name[..])).cloned().collect();
                self.push_content(Content::List { values, joined: false }, mode, fields);
                Ok(())
            }
            Operation::Keys => {
                let keys = self.elements(&name).into_keys();
                let values = keys.map(|key| key.to_string().into()).collect();
                self.push_content(Content::List { values, joined: false }, mode, fields);
                Ok(())
            }
            Operation::Replace { place, pattern, with } => {
                let content = self.must_be_set(&name, content)?;
                let pattern = self.expand_pattern(pattern)?;
                let with = self.expand_text(with)?;
                let content = self
                    .each(content, |shell, text| shell.replaced(&text, &pattern, &with, *place))?;
                self.push_content(content, mode, fields);
                Ok(())
            }
            Operation::Case { to, all } => {
                let content = self.must_be_set(&name, content)?;
                let content = self.each(content, |_, text| Ok(cased(&text, *to, *all)))?;
                self.push_content(content, mode, fields);
                Ok(())
            }
            Operation::Substring { offset, length } => {
                let content = self.must_be_set(&name, content)?;
                let content = self.substring(content, offset, length.as_ref())?;
                self.push_content(content, mode, fields);
                Ok(())
            }
            Operation::Length => {
                let content = self.must_be_set(&parameter.name, content)?;
                let length = match content {
                    Content::Unset => 0,
                    Content::Text(text) => text.len(),
                    Content::List { values, .. } => match self.dialect {
                        Dialect::Bash => values.len(),
                        // dash measures the joined text.
                        Dialect::Posix | Dialect::Ash => bstr::join(" ", values).len(),
                    },
                };
                fields.push_result(length.to_string().as_bytes(), mode);
                Ok(())
            }
            Operation::Alternative { kind, or_empty, word } => {
                self.alternative(parameter, content, (*kind, *or_empty, word), mode, fields)
            }
            Operation::Remove { side, extent, pattern } => {
                let content = self.must_be_set(&parameter.name, content)?;
                if matches!(content, Content::List { .. }) && self.dialect != Dialect::Bash {
                    return Err(Stop::new("a part of all positional parameters").into());
                }
                let pattern = self.expand_pattern(pattern)?;
                let content = self
                    .each(content, |shell, text| shell.removed(&text, &pattern, *side, *extent))?;
                self.push_content(content, mode, fields);
                Ok(())
            }
            Operation::Unknown(text) => {
                Err(Stop::new(format!("the expansion ${{{}{text}}}", parameter.name)).into())
            }
        }
    }

    /// The name of the parameter that is meant: `${!x}` names it in a variable.
    fn meant_name(&mut self, parameter: &Parameter) -> Eval<BString> {
        if !parameter.indirect {
            return Ok(parameter.name.clone());
        }
        match self.content(&parameter.name)? {
            Content::Text(name) if is_name(&name) => Ok(name),
            _ => Err(Stop::new("an indirect expansion to no variable").into()),
        }
    }

    /// An element of an array, or all of them.
    fn element(&mut self, name: &[u8], index: &Index) -> Eval<Content> {
        if is_living(name) {
            return Err(Stop::new(format!("it reads ${}", String::from_utf8_lossy(name))).into());
        }
        Ok(match index {
            Index::All | Index::Joined => Content::List {
                values: self.elements(name).into_values().collect(),
                joined: *index == Index::Joined,
            },
            Index::At(word) => {
                let index = self.element_index(name, word)?;
                self.elements(name).remove(&index).map_or(Content::Unset, Content::Text)
            }
        })
    }

    /// `${x:offset:length}`; of a list, so many values.
    fn substring(
        &mut self,
        content: Content,
        offset: &Word,
        length: Option<&Word>,
    ) -> Eval<Content> {
        let offset = self.expand_quoted(offset)?;
        let offset = self.arithmetic(&offset)?;
        let length = match length {
            Some(length) => {
                let length = self.expand_quoted(length)?;
                Some(self.arithmetic(&length)?)
            }
            None => None,
        };
        match content {
            Content::Unset => Ok(Content::Unset),
            Content::Text(text) => {
                let (from, to) = range(text.len(), offset, length)
                    .ok_or_else(|| Stop::new("a substring of negative length"))?;
                Ok(Content::Text(text.get(from..to).unwrap_or_default().into()))
            }
            Content::List { .. } => Err(Stop::new("a part of a list (${@:1})").into()),
        }
    }

    fn content(&mut self, name: &[u8]) -> Eval<Content> {
        let number = |number: u64| Content::Text(number.to_string().into());
        Ok(match name {
            b"@" | b"*" => {
                let values = self.state.positional.to_vec();
                let size = values.iter().map(|value| value.len()).sum();
                self.machine.spend_data(size)?;
                Content::List { values, joined: name == b"*" }
            }
            b"#" => number(self.state.positional.len() as u64),
            b"?" => number(u64::from(self.state.status)),
            b"-" => Content::Text(self.option_letters().into()),
            b"$" => number(self.state.process_id),
            // There are no commands in the background.
            b"!" => Content::Unset,
            b"0" => Content::Text(self.state.name.clone()),
            // dash is built without it in Debian.
            b"PIPESTATUS" if self.dialect == Dialect::Bash => {
                self.elements(name).remove(&0).map_or(Content::Unset, Content::Text)
            }
            b"LINENO" if self.dialect != Dialect::Posix => number(u64::from(self.state.line)),
            _ if name.first().is_some_and(u8::is_ascii_digit) => {
                let index: Option<usize> =
                    std::str::from_utf8(name).ok().and_then(|text| text.parse().ok());
                let value = match index {
                    Some(0) => Some(self.state.name.clone()),
                    Some(index) => self.state.positional.get(index - 1).cloned(),
                    None => None,
                };
                value.map_or(Content::Unset, Content::Text)
            }
            _ => {
                let value = self.state.variables.get(name).map(BString::from);
                let living = self.dialect != Dialect::Posix && is_living(name);
                if value.is_none() && (living || name == b"PPID") {
                    let name = String::from_utf8_lossy(name).into_owned();
                    return Err(Stop::new(format!("it reads ${name}")).into());
                }
                value.map_or(Content::Unset, Content::Text)
            }
        })
    }

    /// A parameter without a value is an error under `set -u`.
    fn must_be_set(&mut self, name: &[u8], content: Content) -> Eval<Content> {
        match content {
            Content::Unset if self.state.options.no_unset => {
                Err(self.parameter_error(name, b"parameter not set"))
            }
            content => Ok(content),
        }
    }

    fn parameter_error(&mut self, name: &[u8], message: &[u8]) -> Exit {
        let text = [name, b": ", message].concat();
        match (self.error(text), self.dialect) {
            (Exit::Error, Dialect::Bash) => Exit::Shell(1),
            (exit, _) => exit,
        }
    }

    fn push_content(&self, content: Content, mode: Mode, fields: &mut Fields) {
        match content {
            Content::Unset => {
                if mode.quoted {
                    fields.begin();
                }
            }
            Content::Text(text) => fields.push_result(&text, mode),
            Content::List { values, joined } => self.push_list(&values, joined, mode, fields),
        }
    }

    fn push_list(&self, values: &[BString], joined: bool, mode: Mode, fields: &mut Fields) {
        let separator: Vec<u8> = match joined || !mode.split {
            true => self.separators().first().map(|b| vec![*b]).unwrap_or_default(),
            false => b" ".to_vec(),
        };
        if (joined && mode.quoted) || !mode.split {
            let text = bstr::join(&separator, values);
            return fields.push_result(&text, mode);
        }
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                match mode.quoted {
                    true => fields.end(),
                    false => fields.end_if_begun(),
                }
            }
            fields.push_result(value, mode);
        }
    }

    fn alternative(
        &mut self,
        parameter: &Parameter,
        content: Content,
        (kind, or_empty, word): (Alternative, bool, &Word),
        mode: Mode,
        fields: &mut Fields,
    ) -> Eval<()> {
        let has_value = match &content {
            Content::Unset => false,
            Content::Text(text) => !or_empty || !text.is_empty(),
            Content::List { values, .. } => match or_empty {
                true => values.iter().any(|value| !value.is_empty()),
                // In dash all parameters are set, even if there are none.
                false => !values.is_empty() || self.dialect != Dialect::Bash,
            },
        };
        match (kind, has_value) {
            (Alternative::Instead, false) => {
                if mode.quoted {
                    fields.begin();
                }
                Ok(())
            }
            (Alternative::Instead, true) | (Alternative::Default, false) => {
                self.alternative_word(word, mode, fields)
            }
            (_, true) => {
                if mode.quoted {
                    fields.begin();
                }
                self.push_content(content, mode, fields);
                Ok(())
            }
            (Alternative::Assign, false) => {
                if !is_name(&parameter.name) {
                    return Err(self.parameter_error(&parameter.name, b"bad variable name"));
                }
                let value = match mode.quoted {
                    true => self.expand_quoted(word)?,
                    false => self.expand_value(word)?,
                };
                self.assign(&parameter.name, value.clone())?;
                fields.push_result(&value, mode);
                Ok(())
            }
            (Alternative::Require, false) => {
                let text = match word.parts.is_empty() {
                    true if or_empty => BString::from("parameter not set or null"),
                    true => BString::from("parameter not set"),
                    false => self.expand_text(word)?,
                };
                Err(self.parameter_error(&parameter.name, &text))
            }
        }
    }

    fn alternative_word(&mut self, word: &Word, mode: Mode, fields: &mut Fields) -> Eval<()> {
        if mode.quoted {
            fields.begin();
            return self.parts(&word.parts, Mode { tilde: Tilde::Never, ..mode }, fields);
        }
        let mode = Mode { split_literals: true, tilde: Tilde::First, ..mode };
        self.parts(&word.parts, mode, fields)
    }

    /// Changes a text, or every one of a list.
    fn each(
        &mut self,
        content: Content,
        mut change: impl FnMut(&mut Self, BString) -> Eval<BString>,
    ) -> Eval<Content> {
        Ok(match content {
            Content::Unset => Content::Unset,
            Content::Text(text) => Content::Text(change(self, text)?),
            Content::List { values, joined } => {
                let mut changed = Vec::with_capacity(values.len());
                for value in values {
                    changed.push(change(self, value)?);
                }
                Content::List { values: changed, joined }
            }
        })
    }

    /// The text without the beginning or end that a pattern matches.
    fn removed(
        &mut self,
        text: &[u8],
        pattern: &[Byte],
        side: Side,
        extent: Extent,
    ) -> Eval<BString> {
        let work = (text.len() as u64).saturating_mul(text.len() as u64);
        self.machine.spend(work.saturating_mul(pattern.len() as u64) / 65_536)?;
        // Whatever is removed begins (or ends) at the edge: all lengths, in the order of
        // preference.
        let lengths: Box<dyn Iterator<Item = usize>> = match extent {
            Extent::Shortest => Box::new(0..=text.len()),
            Extent::Longest => Box::new((0..=text.len()).rev()),
        };
        for length in lengths {
            let (piece, rest) = match side {
                Side::Prefix => text.split_at(length),
                Side::Suffix => {
                    let (rest, piece) = text.split_at(text.len() - length);
                    (piece, rest)
                }
            };
            if pattern::matches(pattern, piece) {
                return Ok(rest.into());
            }
        }
        Ok(text.into())
    }
}
