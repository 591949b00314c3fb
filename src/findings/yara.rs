//! YARA's text (`yara -r -m -s RULES FOLDER`): a line for each rule and file, and below it, with
//! `-s`, lines of the texts that matched.
//!
//! Source: `cli/yara.c` of <https://github.com/VirusTotal/yara>; measured with 4.2.3. `RULE [meta]
//! PATH`, or `RULE PATH`; tags stand in brackets, too. A text of nothing but `RULE PATH` is any two
//! words, and is not taken for a report: `-m` or `-s` tells them apart. What matched is not kept.

use super::report::{Collector, non_empty};
use super::{ArtifactIdentity, FindingsError, ReportFormat, ScanReport, risk};
use imgfix_model::finding::Severity;

const SCANNER: &str = "yara (with -m)";

/// A rule that matched a file.
struct Hit<'a> {
    rule: &'a str,
    /// What is in brackets.
    brackets: Vec<&'a str>,
    path: &'a str,
}

/// Whether a text is YARA's: every line is, and one has brackets or is a text that matched.
pub(super) fn is_report(text: &str) -> bool {
    let mut sure = false;
    let mut before = false;
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if is_match(line) {
            // what matched stands below its file
            if !before {
                return false;
            }
            sure = true;
            continue;
        }
        let Some(hit) = hit(line) else { return false };
        before = true;
        sure |= !hit.brackets.is_empty();
    }
    sure
}

/// `0x1c:$a: text`, `0x1c:68:$a: text` (`-L`).
fn is_match(line: &str) -> bool {
    let Some((offset, rest)) = line.strip_prefix("0x").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let hex = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_hexdigit());
    let text = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    hex && (text.starts_with('$') || text.starts_with(":$"))
}

fn hit(line: &str) -> Option<Hit<'_>> {
    let (rule, mut rest) = line.split_once(' ')?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.';
    let begins = rule.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !rule.chars().all(word) || rule.ends_with(':') {
        return None;
    }
    let mut brackets = Vec::new();
    while let Some((inner, behind)) = bracket(rest) {
        brackets.push(inner);
        rest = behind;
    }
    (!rest.is_empty() && !rest.starts_with([' ', '['])).then_some(Hit {
        rule,
        brackets,
        path: rest,
    })
}

/// The text in the bracket that a line begins with, and what is behind it and a space. A bracket
/// in quotes closes nothing.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => {
                let behind = inner.get(at + 1..)?.strip_prefix(' ')?;
                return Some((inner.get(..at)?, behind));
            }
            _ => {}
        }
    }
    None
}

/// The value of a key in `a="b",c=1`.
fn meta(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let (key, value) = rest.split_once('=')?;
        let (value, behind) = match value.strip_prefix('"') {
            Some(inner) => {
                let mut escaped = false;
                let end = inner.char_indices().find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                })?;
                (inner.get(..end.0)?, inner.get(end.0 + 1..)?.strip_prefix(','))
            }
            None => match value.split_once(',') {
                Some((value, behind)) => (value, Some(behind)),
                None => (value, None),
            },
        };
        if key.trim() == wanted {
            return non_empty(Some(value.to_owned()));
        }
        rest = behind?;
    }
}

/// Reads a text that [`is_report`].
pub(super) fn parse(name: &str, text: &str) -> Result<ScanReport, FindingsError> {
    let mut out = Collector::new(name, SCANNER);
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || is_match(line) {
            continue;
        }
        let place = out.place(format!("line {}", at + 1));
        let Some(hit) = hit(line) else {
            return Err(place.error("rule", "not a line that yara writes"));
        };
        let said = |key| hit.brackets.iter().find_map(|one| meta(one, key));
        let severity = match said("severity") {
            Some(word) => out.severity(&place, Some(&word)),
            None => Severity::High,
        };
        let finding =
            risk::malicious(hit.rule, severity, said("description"), risk::file(hit.path));
        out.findings.push(finding);
    }
    Ok(out.finish(ReportFormat::Yara, ArtifactIdentity::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_texts_are_not_taken_for_yaras() {
        for text in [
            "hello world",
            "error: something [a] happened",
            "rule path\nrule other",
            "0x1c:$a: text",
            "[a] [b] c",
            "eicar [] eicar.com\nand, more words",
            "",
        ] {
            assert!(!is_report(text), "{text}");
        }
        for text in [
            "eicar [] eicar.com",
            "a.b:rule [x] /srv/a b.com",
            "rule /srv/a\n0x7:$a: x",
            "rule /srv/a\n0x7:12:$a: x",
            "r [tag] [a=\"]\",b=1] p",
        ] {
            assert!(is_report(text), "{text}");
        }
    }

    #[test]
    fn meta_is_read_as_it_is_written() {
        let text = r#"description="a, \"b\" ]",severity="high",n=1,last=x"#;
        assert_eq!(meta(text, "severity").as_deref(), Some("high"));
        assert_eq!(meta(text, "last").as_deref(), Some("x"));
        assert_eq!(meta(text, "description").as_deref(), Some(r#"a, \"b\" ]"#));
        assert_eq!(meta(text, "other"), None);
        assert_eq!(meta("a=\"never ends", "b"), None);
    }
}
