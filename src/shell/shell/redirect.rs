//! Redirections of descriptors.

use bstr::BString;

use super::flow::{Eval, Exit};
use super::{Dialect, Shell};
use crate::files::Access;
use crate::syntax::tree::{Redirect, RedirectOperator, Word};
use crate::{Errno, Stop, Stream};

/// Descriptors as they were before redirections, the first one first.
#[derive(Default)]
pub(super) struct Before(Vec<(u32, Option<Stream>)>);

impl Shell<'_> {
    /// Changes the shell's descriptors. An error has been written when it comes back.
    pub(super) fn redirect(&mut self, redirects: &[Redirect], before: &mut Before) -> Eval<()> {
        for redirect in redirects {
            self.machine.spend(1)?;
            self.redirect_one(redirect, before)?;
        }
        Ok(())
    }

    /// Takes redirections back: only theirs, for an `exec` may have changed others.
    pub(super) fn take_back(&mut self, before: Before) {
        for (descriptor, stream) in before.0.into_iter().rev() {
            match stream {
                Some(stream) => self.state.descriptors.set(descriptor, stream),
                None => self.state.descriptors.close(descriptor),
            }
        }
    }

    /// Sets or closes a descriptor.
    fn point(&mut self, descriptor: u32, stream: Option<Stream>, before: &mut Before) {
        before.0.push((descriptor, self.state.descriptors.get(descriptor).cloned()));
        match stream {
            Some(stream) => self.state.descriptors.set(descriptor, stream),
            None => self.state.descriptors.close(descriptor),
        }
    }

    /// The status of a command whose redirection failed.
    pub(super) fn redirect_failure(&self) -> u8 {
        match self.dialect {
            Dialect::Posix => 2,
            Dialect::Ash | Dialect::Bash => 1,
        }
    }

    fn redirect_one(&mut self, redirect: &Redirect, before: &mut Before) -> Eval<()> {
        let (usual, stream) = match &redirect.operator {
            RedirectOperator::Here(text) => {
                let Some(word) = text.get() else {
                    return Err(Stop::new("a here-document without text").into());
                };
                (0, Stream::input(self.expand_quoted(word)?.to_vec()))
            }
            RedirectOperator::HereString(word) => {
                let mut text = self.expand_text(word)?.to_vec();
                text.push(b'\n');
                (0, Stream::input(text))
            }
            RedirectOperator::DuplicateInput(word) => {
                return self.duplicate(redirect, 0, word, before);
            }
            RedirectOperator::DuplicateOutput(word) => {
                return self.duplicate(redirect, 1, word, before);
            }
            RedirectOperator::Both(word) | RedirectOperator::AppendBoth(word) => {
                let path = self.expand_text(word)?;
                let append = matches!(redirect.operator, RedirectOperator::AppendBoth(_));
                let how = if append { How::Append } else { How::Output };
                let stream = self.open(&path, how)?;
                self.point(1, Some(stream.clone()), before);
                self.point(2, Some(stream), before);
                return Ok(());
            }
            RedirectOperator::Input(word) => (0, self.open_word(word, How::Input)?),
            RedirectOperator::ReadWrite(word) => (0, self.open_word(word, How::ReadWrite)?),
            RedirectOperator::Append(word) => (1, self.open_word(word, How::Append)?),
            RedirectOperator::Output(word) => (1, self.open_word(word, How::Output)?),
            RedirectOperator::Clobber(word) => (1, self.open_word(word, How::Clobber)?),
        };
        self.point(redirect.descriptor.unwrap_or(usual), Some(stream), before);
        Ok(())
    }

    fn open_word(&mut self, word: &Word, how: How) -> Eval<Stream> {
        let path = self.target(word)?;
        self.open(&path, how)
    }

    /// The path of a redirection: one field. bash expands patterns in it.
    fn target(&mut self, word: &Word) -> Eval<BString> {
        if self.dialect != Dialect::Bash {
            return self.expand_text(word);
        }
        let mut fields = Vec::new();
        self.expand_word(word, &mut fields)?;
        match (fields.pop(), fields.is_empty()) {
            (Some(field), true) => Ok(field),
            _ => Err(self.error("ambiguous redirect")),
        }
    }

    fn open(&mut self, path: &[u8], how: How) -> Eval<Stream> {
        if let Some(number) = named_descriptor(path) {
            return match self.state.descriptors.get(number) {
                Some(stream) => Ok(stream.clone()),
                None => Err(self.cannot_open(path, how, Errno::NotFound)),
            };
        }
        let directory = self.state.directory.clone();
        let mode = 0o666 & !self.state.umask;
        let exclusive = how == How::Output && self.state.options.no_clobber;
        if exclusive && self.machine.stat(&directory, path)?.is_ok_and(|entry| entry.is_file()) {
            return Err(self.cannot_open(path, how, Errno::Exists));
        }
        let access = match how {
            How::Input => Access::Read,
            How::Append => Access::Append { mode },
            How::Output | How::Clobber => Access::Truncate { mode },
            How::ReadWrite => {
                return Err(Stop::new("a file opened for reading and writing (<>)").into());
            }
        };
        match self.machine.open(&directory, path, access)? {
            Ok(stream) => Ok(stream),
            Err(errno) => Err(self.cannot_open(path, how, errno)),
        }
    }

    fn cannot_open(&mut self, path: &[u8], how: How, errno: Errno) -> Exit {
        let verb: &[u8] = if how == How::Input { b"open " } else { b"create " };
        let why = match (errno, how) {
            (Errno::NotFound, How::Input) => "No such file".to_owned(),
            (Errno::NotFound, _) => "Directory nonexistent".to_owned(),
            (errno, _) => errno.to_string(),
        };
        self.error([b"cannot ", verb, path, b": ", why.as_bytes()].concat())
    }

    fn duplicate(
        &mut self,
        redirect: &Redirect,
        usual: u32,
        word: &Word,
        before: &mut Before,
    ) -> Eval<()> {
        let to = redirect.descriptor.unwrap_or(usual);
        let from = self.expand_text(word)?;
        if &from[..] == b"-" {
            self.point(to, None, before);
            return Ok(());
        }
        let number = std::str::from_utf8(&from).ok().and_then(|text| text.parse::<u32>().ok());
        let Some(number) = number else {
            // bash: `>&FILE` is `&>FILE`.
            if self.dialect == Dialect::Bash && usual == 1 && redirect.descriptor.is_none() {
                let stream = self.open(&from, How::Output)?;
                self.point(1, Some(stream.clone()), before);
                self.point(2, Some(stream), before);
                return Ok(());
            }
            return Err(self.error([b"Bad fd number: ", &from[..]].concat()));
        };
        match self.state.descriptors.get(number).cloned() {
            Some(stream) => {
                self.point(to, Some(stream), before);
                Ok(())
            }
            None => Err(self.error(format!("{number}: Bad file descriptor"))),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Input,
    Output,
    Clobber,
    Append,
    ReadWrite,
}

/// `/dev/stderr` and the like: the descriptor that the path opens again.
fn named_descriptor(path: &[u8]) -> Option<u32> {
    match path {
        b"/dev/stdin" => Some(0),
        b"/dev/stdout" => Some(1),
        b"/dev/stderr" => Some(2),
        _ => {
            let digits =
                path.strip_prefix(b"/dev/fd/").or_else(|| path.strip_prefix(b"/proc/self/fd/"))?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        }
    }
}
