//! `read`.

use bstr::BString;

use crate::shell::expand::Byte;
use crate::shell::flow::{Eval, Failure};
use crate::shell::{Dialect, Shell};
use crate::syntax::is_name;
use crate::{Errno, Stop};

pub(super) fn read(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut raw = false;
    let mut rest = argv.get(1..).unwrap_or_default();
    while let Some(option) = rest.first().filter(|word| word.starts_with(b"-")) {
        rest = rest.get(1..).unwrap_or_default();
        match &option[..] {
            b"--" => break,
            b"-r" => raw = true,
            // The prompt is for terminals only.
            b"-p" => rest = rest.get(1..).unwrap_or_default(),
            _ => return Err(Stop::new(format!("read with {option}")).into()),
        }
    }
    let reply = [BString::from("REPLY")];
    let names = match (rest.is_empty(), shell.dialect) {
        (true, Dialect::Posix) => return Err(shell.complain(b"read", b"arg count")),
        (true, Dialect::Ash | Dialect::Bash) => &reply[..],
        (false, _) => rest,
    };
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        return Err(shell.complain(b"read", [&name[..], b": bad variable name"].concat()));
    }
    let (line, complete) = match logical_line(shell, raw)? {
        Ok(line) => line,
        Err(errno) => {
            let _written = shell.complain(b"read", format!("read error: {errno}"));
            return Ok(1);
        }
    };
    let separators = shell.separators();
    let whole = rest.is_empty();
    let mut line = &line[..];
    for (at, name) in names.iter().enumerate() {
        let value = match at + 1 == names.len() {
            // bash keeps blanks in `REPLY`.
            true if whole => line.iter().map(|byte| byte.value).collect(),
            true => last_field(line, &separators),
            false => next_field(&mut line, &separators),
        };
        shell.assign(name, value.into())?;
    }
    Ok(u8::from(!complete))
}

type Line = (Vec<Byte>, bool);

/// A line without its newline, and whether it had one. Without `-r`, a backslash escapes
/// what comes after it, and joins lines.
fn logical_line(shell: &mut Shell<'_>, raw: bool) -> Eval<Result<Line, Errno>> {
    let mut bytes = Vec::new();
    let Some(stream) = shell.state.descriptors.get(0).cloned() else {
        return Ok(Err(Errno::BadDescriptor));
    };
    loop {
        let line = match shell.machine.read_line(&stream)? {
            Ok(line) => line,
            Err(errno) => return Ok(Err(errno)),
        };
        shell.machine.spend_data(line.len())?;
        let complete = line.last() == Some(&b'\n');
        let mut text = line.iter().copied().filter(|b| *b != 0 && *b != b'\n');
        let mut continued = false;
        while let Some(b) = text.next() {
            if raw || b != b'\\' {
                bytes.push(Byte::plain(b));
                continue;
            }
            match text.next() {
                Some(escaped) => bytes.push(Byte::quoted(escaped)),
                None => continued = true,
            }
        }
        if !(continued && complete) {
            return Ok(Ok((bytes, complete)));
        }
    }
}

fn is_separator(byte: &Byte, separators: &[u8]) -> bool {
    !byte.quoted && separators.contains(&byte.value)
}

fn is_blank(byte: &Byte, separators: &[u8]) -> bool {
    is_separator(byte, separators) && matches!(byte.value, b' ' | b'\t' | b'\n')
}

fn skip_blanks(line: &mut &[Byte], separators: &[u8]) {
    while let Some((_, rest)) = line.split_first().filter(|(first, _)| is_blank(first, separators))
    {
        *line = rest;
    }
}

/// Takes a field and what separates it from the next one.
fn next_field(line: &mut &[Byte], separators: &[u8]) -> Vec<u8> {
    skip_blanks(line, separators);
    let end = line.iter().position(|byte| is_separator(byte, separators)).unwrap_or(line.len());
    let (field, rest) = line.split_at(end);
    *line = rest;
    skip_blanks(line, separators);
    if let Some((first, rest)) = line.split_first()
        && is_separator(first, separators)
    {
        *line = rest;
    }
    field.iter().map(|byte| byte.value).collect()
}

/// The rest of a line: without blanks at its ends, and without one separator at its end if
/// that is the only one.
fn last_field(line: &[Byte], separators: &[u8]) -> Vec<u8> {
    let mut rest = line;
    skip_blanks(&mut rest, separators);
    let mut one = rest;
    let field = next_field(&mut one, separators);
    skip_blanks(&mut one, separators);
    if one.is_empty() {
        return field;
    }
    let end = rest.iter().rposition(|byte| !is_blank(byte, separators)).map_or(0, |at| at + 1);
    rest.iter().take(end).map(|byte| byte.value).collect()
}
