//! The commands that the shell has itself, whether or not the image has files for them.

mod control;
mod declaration;
mod directory;
mod echo;
mod escape;
mod getopts;
mod lookup;
mod positional;
mod printf;
mod read;
mod set;
mod test;
mod trap;
mod umask;
mod unevaluated;

use bstr::BString;

use super::flow::{Eval, Failure};
use super::{Dialect, Shell, bash};

/// What POSIX calls special: errors end the shell, assignments before it stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Special,
    Regular,
}

pub(super) type Run = fn(&mut Shell<'_>, &[BString], Failure) -> Eval;

/// A command of the shell.
pub(super) struct Builtin {
    pub name: &'static str,
    pub class: Class,
    /// Arguments that look like assignments are expanded like them.
    pub declares: bool,
    pub run: Run,
    pub dialects: &'static [Dialect],
}

const DASH: &[Dialect] = &[Dialect::Posix, Dialect::Ash];
const ASH: &[Dialect] = &[Dialect::Ash];
const BASH: &[Dialect] = &[Dialect::Bash];
const ASH_OR_BASH: &[Dialect] = &[Dialect::Ash, Dialect::Bash];
const ALL: &[Dialect] = &[Dialect::Posix, Dialect::Ash, Dialect::Bash];

impl Builtin {
    const fn special(name: &'static str, run: Run) -> Self {
        Self { name, class: Class::Special, declares: false, run, dialects: ALL }
    }

    const fn regular(name: &'static str, run: Run) -> Self {
        Self { name, class: Class::Regular, declares: false, run, dialects: ALL }
    }

    const fn declaring(self) -> Self {
        Self { declares: true, ..self }
    }

    const fn only(self, dialects: &'static [Dialect]) -> Self {
        Self { dialects, ..self }
    }

    /// The status of an error that does not end the shell.
    pub(super) fn failure(&self, dialect: Dialect) -> u8 {
        match (dialect, self.name) {
            (Dialect::Ash, "printf") => 1,
            (Dialect::Posix | Dialect::Ash, _) | (Dialect::Bash, "test" | "[") => 2,
            (Dialect::Bash, _) => 1,
        }
    }
}

const BUILTINS: &[Builtin] = &[
    Builtin::special(".", control::dot),
    Builtin::special(":", yes),
    Builtin::special("break", control::break_),
    Builtin::special("continue", control::continue_),
    Builtin::special("eval", control::eval),
    Builtin::special("exec", control::exec),
    Builtin::special("exit", control::exit),
    Builtin::special("export", declaration::export).declaring().only(DASH),
    Builtin::special("export", bash::declare).declaring().only(BASH),
    Builtin::special("local", declaration::local).declaring().only(DASH),
    Builtin::regular("local", bash::declare).declaring().only(BASH),
    Builtin::special("readonly", declaration::readonly).declaring().only(DASH),
    Builtin::special("readonly", bash::declare).declaring().only(BASH),
    Builtin::special("return", control::return_),
    Builtin::special("set", set::set),
    Builtin::special("shift", positional::shift),
    Builtin::special("times", unevaluated::stop),
    Builtin::special("trap", trap::trap),
    Builtin::special("unset", declaration::unset),
    Builtin::regular("[", test::test),
    Builtin::regular("alias", unevaluated::alias),
    Builtin::regular("bg", unevaluated::stop),
    Builtin::regular("cd", directory::cd),
    Builtin::regular("chdir", directory::cd).only(DASH),
    Builtin::regular("command", lookup::command),
    Builtin::regular("echo", echo::echo),
    Builtin::regular("false", no),
    Builtin::regular("fc", unevaluated::stop),
    Builtin::regular("fg", unevaluated::stop),
    Builtin::regular("getopts", getopts::getopts),
    Builtin::regular("hash", lookup::hash),
    Builtin::regular("jobs", unevaluated::no_jobs),
    Builtin::regular("kill", unevaluated::stop),
    Builtin::regular("printf", printf::printf),
    Builtin::regular("pwd", directory::pwd),
    Builtin::regular("read", read::read),
    Builtin::regular("source", control::dot).only(ASH_OR_BASH),
    Builtin::regular("test", test::test),
    Builtin::regular("true", yes),
    Builtin::regular("type", lookup::type_),
    Builtin::regular("ulimit", unevaluated::stop),
    Builtin::regular("umask", umask::umask),
    Builtin::regular("unalias", unevaluated::unalias),
    Builtin::regular("wait", unevaluated::no_jobs),
    Builtin::regular("caller", unevaluated::stop).only(BASH),
    Builtin::regular("bind", unevaluated::stop).only(BASH),
    Builtin::regular("builtin", unevaluated::stop).only(BASH),
    Builtin::regular("compgen", unevaluated::stop).only(BASH),
    Builtin::regular("complete", unevaluated::stop).only(BASH),
    Builtin::regular("declare", bash::declare).declaring().only(BASH),
    Builtin::regular("dirs", unevaluated::stop).only(BASH),
    Builtin::regular("disown", unevaluated::stop).only(BASH),
    Builtin::regular("enable", unevaluated::stop).only(BASH),
    Builtin::regular("help", unevaluated::stop).only(BASH),
    Builtin::regular("history", unevaluated::stop).only(BASH),
    Builtin::regular("let", bash::let_).only(BASH),
    Builtin::regular("let", unevaluated::stop).only(ASH),
    Builtin::regular("[[", unevaluated::stop).only(ASH),
    Builtin::regular("logout", unevaluated::stop).only(BASH),
    Builtin::regular("mapfile", unevaluated::stop).only(BASH),
    Builtin::regular("popd", unevaluated::stop).only(BASH),
    Builtin::regular("pushd", unevaluated::stop).only(BASH),
    Builtin::regular("readarray", unevaluated::stop).only(BASH),
    Builtin::regular("shopt", bash::shopt).only(BASH),
    Builtin::regular("suspend", unevaluated::stop).only(BASH),
    Builtin::regular("typeset", bash::declare).declaring().only(BASH),
];

/// The builtin of a name.
pub(super) fn find(name: &[u8], dialect: Dialect) -> Option<&'static Builtin> {
    let is_meant =
        |builtin: &&Builtin| builtin.name.as_bytes() == name && builtin.dialects.contains(&dialect);
    BUILTINS.iter().find(is_meant)
}

fn yes(_: &mut Shell<'_>, _: &[BString], _: Failure) -> Eval {
    Ok(0)
}

fn no(_: &mut Shell<'_>, _: &[BString], _: Failure) -> Eval {
    Ok(1)
}

impl Shell<'_> {
    /// Writes to standard output; the status says whether that could be done.
    fn print(&mut self, text: &[u8], name: &str) -> Eval {
        match self.write_to(1, text)? {
            true => Ok(0),
            false => {
                let _written = self.error(format!("{name}: I/O error"));
                Ok(1)
            }
        }
    }

    /// The message of a builtin, and the way out of it.
    fn complain(&mut self, name: &[u8], message: impl AsRef<[u8]>) -> super::flow::Exit {
        self.error([name, b": ", message.as_ref()].concat())
    }

    /// A number that an argument must be.
    fn number(&mut self, name: &[u8], text: &[u8]) -> Eval<u32> {
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        match number.filter(|number| i32::try_from(*number).is_ok()) {
            Some(number) => Ok(number),
            None => Err(self.complain(name, [b"Illegal number: ", text].concat())),
        }
    }
}

/// A value in single quotes, as dash writes it for the shell to read again.
fn single_quoted(value: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    let mut rest = value;
    while let Some(at) = rest.iter().position(|b| *b == b'\'') {
        let quotes = rest.iter().skip(at).take_while(|b| **b == b'\'').count();
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(b"'\"");
        out.extend(std::iter::repeat_n(b'\'', quotes));
        out.extend_from_slice(b"\"'");
        rest = rest.get(at + quotes..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out.push(b'\'');
    out
}
