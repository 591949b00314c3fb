//! Text that goes to a log which somebody else reads line by line: GitHub's and Azure's runners
//! take `::error::`, `##[error]` and `##vso[` in it for commands, TeamCity's `##teamcity[`.
//!
//! Names in images, reports, repositories and answers are anybody's. Whatever they hold, no line
//! of ours begins with such a command or has one in it, and no control character reaches a
//! terminal. What looks like a secret is masked. Sources: <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>,
//! <https://learn.microsoft.com/en-us/azure/devops/pipelines/scripts/logging-commands>,
//! <https://www.jetbrains.com/help/teamcity/service-messages.html>.

use std::borrow::Cow;
use std::fmt::Write as _;

use imgfix_secrets::Secrets;

/// What stands before a further line of a message.
const CONTINUED: &str = "\n  | ";

/// A message: its own line breaks are shown as such, everything else that has power is not.
#[must_use]
pub fn message(text: &str) -> String {
    shown(&Secrets::shipped().mask(text.trim_end()))
}

/// A masked text, as a message has it.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str(CONTINUED),
            '\t' => out.push(' '),
            c if c.is_control() || is_line_separator(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    match without_commands(&out, "\\u{23}", "\\u{3a}") {
        Cow::Borrowed(_) => out,
        Cow::Owned(text) => text,
    }
}

/// Several lines of ours, each as a [`message`].
#[must_use]
pub fn lines(text: &str) -> String {
    let text = Secrets::shipped().mask(text.trim_end());
    text.split('\n').map(|line| shown(line.trim_end())).collect::<Vec<_>>().join("\n")
}

/// A result as it is written to standard output: a document of any form, or text for people.
#[must_use]
pub fn result(text: &str) -> Cow<'_, str> {
    match Secrets::shipped().mask_document(text) {
        Cow::Borrowed(text) => harmless(text),
        Cow::Owned(text) => Cow::Owned(harmless(&text).into_owned()),
    }
}

fn harmless(text: &str) -> Cow<'_, str> {
    match text.trim_start().chars().next() {
        // The same document: these characters are only in its strings.
        Some('{' | '[') => without_commands(text, "\\u0023", "\\u003a"),
        // HTML, XML and Markdown; plain text was made harmless where it was put together.
        _ => without_commands(text, "&#35;", "&#58;"),
    }
}

/// Writes the first character of every command otherwise: `#` and `:` of `##name[` anywhere and
/// of `::name` where only space is before it in its line.
fn without_commands<'a>(text: &'a str, hash: &str, colon: &str) -> Cow<'a, str> {
    let mut at = Vec::new();
    let mut only_space = true;
    for (index, c) in text.char_indices() {
        let rest = text.get(index..).unwrap_or_default();
        if (only_space && is_command(rest)) || is_bracketed(rest) {
            at.push((index, if c == '#' { hash } else { colon }));
        }
        only_space = (only_space && c.is_whitespace()) || is_break(c);
    }
    if at.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut done) = (String::with_capacity(text.len() + 16), 0);
    for (index, with) in at {
        out.push_str(text.get(done..index).unwrap_or_default());
        out.push_str(with);
        done = index + 1;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// `::error file=x::`
fn is_command(text: &str) -> bool {
    text.strip_prefix("::").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// `##[error]`, `##vso[`, `##teamcity[`
fn is_bracketed(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("##") else { return false };
    rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('[')
}

/// What some reader takes for the end of a line.
fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}') || is_line_separator(c)
}

fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_one_line_that_is_its_own_and_no_command() {
        for (text, want) in [
            ("plain text: a::b ::1 C++ ## x [y]", "plain text: a::b ::1 C++ ## x [y]"),
            ("a\nb\n", "a\n  | b"),
            ("a\r::error::x", "a\\u{d}::error::x"),
            ("a\n::error::x", "a\n  | ::error::x"),
            ("::error::x", "\\u{3a}:error::x"),
            ("a\u{2028}::error::x", "a\\u{2028}::error::x"),
            ("x ##vso[task.setvariable]y", "x \\u{23}#vso[task.setvariable]y"),
            ("###[error]", "#\\u{23}#[error]"),
            ("##teamcity[x", "\\u{23}#teamcity[x"),
            ("\u{1b}[2Ja\tb\0", "\\u{1b}[2Ja b\\u{0}"),
        ] {
            assert_eq!(message(text), want, "{text:?}");
        }
    }

    #[test]
    fn no_line_has_a_secret() {
        let secret = "hunter".to_owned() + "2";
        for text in [
            format!("cannot read https://me:{secret}@x.example/"),
            format!("RUN |1 TOKEN={secret} /bin/sh -c make"),
        ] {
            for out in [message(&text), lines(&text), result(&text).into_owned()] {
                assert!(out.contains("[masked]") && !out.contains(&secret), "{out}");
            }
        }
        let key = |line: &str| format!("-----BEGIN {}-----\n{line}\n{line}", "PRIVATE KEY");
        let out = lines(&key(&secret.repeat(5)));
        assert!(!out.contains(&secret), "{out}");
    }

    #[test]
    fn a_result_is_the_same_document_without_commands() {
        let json = "{\n  \"a\": \"##vso[x]\",\n  \"b\": \"::error::\"\n}\n";
        let harmless = result(json).into_owned();
        assert!(!harmless.contains("##vso["), "{harmless}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&harmless), value(json));
        for (text, want) in [
            ("ok\n  fine # a\n", "ok\n  fine # a\n"),
            ("a\n  ::error::x\n", "a\n  &#58;:error::x\n"),
            ("a\r::stop-commands::x", "a\r&#58;:stop-commands::x"),
            ("<p>##[group]</p>", "<p>&#35;#[group]</p>"),
            ("+::error::x", "+::error::x"),
        ] {
            assert_eq!(result(text), want, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_said_no_line_is_a_command(text in "[a\n\r\t :#\\[v{\u{2028}\u{1b}]{0,30}") {
            for out in [format!("imgfix: {}", message(&text)), result(&text).into_owned()] {
                for line in out.split(is_break) {
                    proptest::prop_assert!(!is_command(line.trim_start()), "{:?}", out);
                    let mut tails = line.char_indices().map(|(at, _)| &line[at..]);
                    proptest::prop_assert!(!tails.any(is_bracketed), "{:?}", out);
                }
            }
        }
    }
}
