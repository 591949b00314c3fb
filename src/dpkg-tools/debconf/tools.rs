//! debconf's programs that are not talked to: `debconf-communicate`, `debconf-escape`,
//! `debconf-set-selections` and `debconf-show`.

use bstr::{BString, ByteSlice as _};
use imgfix_shell::options::{Long, Short, Value};

use super::databases::Role;
use super::frontend::open;
use super::session::Session;
use super::text::is_space;
use imgfix_shell::{Process, Status, Stop};

/// `debconf-communicate [PACKAGE]`: the protocol on standard input and output. The status is
/// the last code.
///
/// # Errors
/// What a command of the protocol stops at.
pub fn communicate(process: &mut Process<'_>) -> Status {
    let owner = match process.arguments() {
        [] => BString::from("unknown"),
        [owner] if !owner.starts_with(b"-") => owner.clone(),
        _ => return Err(process.unsupported("options or files")),
    };
    let input = process.input()?;
    let call = process.call.clone();
    let mut session = open(process.machine, &call)?;
    session.start(owner.as_bstr(), BString::default());
    let mut code = 127;
    for line in input.lines() {
        let answer = session.process(process.machine, line)?.unwrap_or_default();
        let first = answer.split(|&b| b == b' ').next().unwrap_or_default();
        code = std::str::from_utf8(first).ok().and_then(|code| code.parse().ok()).unwrap_or(0);
        process.print([&answer[..], b"\n"].concat())?;
    }
    session.finish();
    session.databases.save(process.machine, &call)?;
    Ok(code)
}

/// `debconf-escape -e|-u`.
///
/// # Errors
/// Other arguments.
pub fn escape(process: &mut Process<'_>) -> Status {
    let input = process.input()?;
    let text = match process.arguments() {
        [option] if option == "-e" || option == "--escape" => super::text::escape(&input),
        [option] if option == "-u" || option == "--unescape" => super::text::unescape(&input),
        _ => return Err(process.unsupported("these arguments")),
    };
    process.print(text)?;
    Ok(0)
}

/// What `debconf-set-selections` is asked for.
#[derive(Default)]
struct Selections {
    check_only: bool,
    unseen: bool,
    errors: u32,
}

/// `debconf-set-selections [-vcu] [FILE]`: lines of owner, question, type and value.
///
/// # Errors
/// debconf's set-up is not evaluated.
pub fn set_selections(process: &mut Process<'_>) -> Status {
    let mut selections = Selections::default();
    let mut files = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('v') | Long("verbose") => {}
            Short('c') | Long("checkonly") => selections.check_only = true,
            Short('u') | Long("unseen") => selections.unseen = true,
            Value(file) => files.push(file),
            other => return Err(process.unsupported_option(&other)),
        }
    }
    let mut input = Vec::new();
    for file in &files {
        match process.read_operand(file.as_encoded_bytes())? {
            Ok(text) => input.extend_from_slice(&text),
            Err(_) => return Err(process.unsupported(format!("{}, missing", file.display()))),
        }
    }
    if files.is_empty() {
        input = process.input()?.to_vec();
    }
    let call = process.call.clone();
    let mut session = open(process.machine, &call)?;
    for line in logical_lines(&input) {
        selections.take(process, &mut session, &line)?;
    }
    if !selections.check_only {
        session.databases.save(process.machine, &call)?;
    }
    Ok(u8::from(selections.errors > 0))
}

/// Lines, those joined that a backslash ends.
fn logical_lines(input: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut continued = false;
    for line in input.lines() {
        match lines.last_mut().filter(|_| continued) {
            Some(last) => last.extend_from_slice(line),
            None => lines.push(line.to_vec()),
        }
        continued = line.ends_with(b"\\");
        if let Some(last) = lines.last_mut().filter(|_| continued) {
            last.pop();
        }
    }
    lines
}

const TYPES: [&str; 8] =
    ["select", "boolean", "string", "multiselect", "note", "password", "text", "title"];

impl Selections {
    fn take(
        &mut self,
        process: &mut Process<'_>,
        session: &mut Session,
        line: &[u8],
    ) -> Result<(), Stop> {
        let start = line.trim_start_with(|c| c.is_ascii_whitespace());
        if start.is_empty() || start.starts_with(b"#") {
            return Ok(());
        }
        let Some((owner, question, kind, value)) = four_fields(start) else {
            return self.report(process, "parse error on a line");
        };
        if kind != "seen" && !TYPES.iter().any(|known| kind == *known) {
            return self.warn(process, &format!("warning: Unknown type {kind}, skipping line"));
        }
        let databases = &mut session.databases;
        if kind == "seen" {
            if !databases.exists(Role::Questions, question.as_bstr()) {
                return self.report(process, &format!("Cannot find a question for {question}"));
            }
            databases.set_flag(question.as_bstr(), b"seen", value);
            return Ok(());
        }
        if !databases.exists(Role::Templates, question.as_bstr()) {
            databases.new_template(question.as_bstr(), owner.as_bstr(), &kind)?;
            let texts = [("description", DUMMY), ("extended_description", DUMMY_TEXT)];
            for (field, text) in texts {
                databases.set_template_field(question.as_bstr(), field.as_bytes(), text.into());
            }
        }
        databases.set_template_field(question.as_bstr(), b"type", kind.clone());
        if !databases.exists(Role::Questions, question.as_bstr()) {
            return self.report(process, &format!("Cannot find a question for {question}"));
        }
        databases.add_question_owner(question.as_bstr(), owner.as_bstr(), &kind);
        databases.set_value(question.as_bstr(), value);
        if !self.unseen {
            databases.set_flag(question.as_bstr(), b"seen", "true".into());
        }
        Ok(())
    }

    fn report(&mut self, process: &mut Process<'_>, text: &str) -> Result<(), Stop> {
        self.errors += 1;
        self.warn(process, &format!("error: {text}"))
    }

    fn warn(&self, process: &mut Process<'_>, text: &str) -> Result<(), Stop> {
        if let Some(stream) = process.call.descriptors.get(2).cloned() {
            let _unusable = process.machine.write(&stream, format!("{text}\n").as_bytes())?;
        }
        Ok(())
    }
}

/// The texts of a template made up for an answer to a question that is not there yet.
const DUMMY: &str = "Dummy template";
const DUMMY_TEXT: &str = "This is a fake template used to pre-seed the debconf database. \
    If you are seeing this, something is probably wrong.";

/// Owner, question, type, and the rest of the line after one blank.
fn four_fields(line: &[u8]) -> Option<(BString, BString, BString, BString)> {
    let mut rest = line;
    let mut next = || {
        let start = rest.iter().position(|b| !is_space(b))?;
        let text = rest.get(start..)?;
        let end = text.iter().position(is_space).unwrap_or(text.len());
        rest = text.get(end..)?;
        Some(BString::from(text.get(..end)?))
    };
    let (owner, question, kind) = (next()?, next()?, next()?);
    Some((owner, question, kind, rest.get(1..).unwrap_or_default().into()))
}

/// `debconf-show PACKAGE...`: the questions of packages, sorted by name (perl's order is by
/// chance).
///
/// # Errors
/// Options; debconf's set-up is not evaluated.
pub fn show(process: &mut Process<'_>) -> Status {
    let packages = process.arguments().to_vec();
    if packages.is_empty() || packages.iter().any(|package| package.starts_with(b"-")) {
        return Err(process.unsupported("these arguments"));
    }
    let mut call = process.call.clone();
    // It only reads, and so takes no lock.
    call.environment.remove(b"DEBIAN_HAS_FRONTEND".as_bstr());
    let session = open(process.machine, &call)?;
    let databases = &session.databases;
    let mut text = Vec::new();
    for question in databases.question_names() {
        let owners = databases.owners(Role::Questions, question.as_bstr());
        for _ in packages.iter().filter(|package| owners.contains(*package)) {
            let seen = databases.flag(question.as_bstr(), "seen".into()) == "true";
            let kind = databases.field(question.as_bstr(), b"type").unwrap_or_default();
            let value = databases.value(question.as_bstr()).unwrap_or_default();
            text.extend_from_slice(if seen { b"* " } else { b"  " });
            text.extend_from_slice(&[&question[..], b":"].concat());
            if kind == "password" {
                text.extend_from_slice(b" (password omitted)");
            } else if !value.is_empty() {
                text.extend_from_slice(&[b" ", &value[..]].concat());
            }
            text.push(b'\n');
        }
    }
    process.print(text)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_has_three_words_and_a_rest() {
        let line = b"tzdata\ttzdata/Areas  select  Europe, and more ";
        let (owner, question, kind, value) = four_fields(line).unwrap();
        assert_eq!([&owner, &question, &kind], ["tzdata", "tzdata/Areas", "select"]);
        assert_eq!(value, " Europe, and more ");
        assert_eq!(four_fields(b"a b"), None);
    }

    #[test]
    fn lines_ending_in_a_backslash_go_on() {
        assert_eq!(logical_lines(b"a\\\nb\n\nc"), [&b"ab"[..], b"", b"c"]);
    }
}
