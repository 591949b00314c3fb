//! A package's `templates` file: questions with their types, defaults and texts.
//!
//! Source of the behaviour: debconf-devel(7), and what Debconf's perl makes of files that are
//! off the rules: records end at two newlines exactly, so more than three newlines in a row,
//! or two at the end that a third follows, make an empty record, which is an error there.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice as _};

use super::text::{is_space, skip_one_space, trim_end};
use imgfix_shell::Stop;

/// One template of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub name: BString,
    /// All fields but the name, in lower case: `type`, `description-de.utf-8`; the lines below
    /// a field as `extended_` and its name.
    pub fields: BTreeMap<BString, BString>,
}

/// The templates of a file in their order. `file` is its name for messages.
///
/// # Errors
/// A line, a record without a name, or a field given twice, at which debconf fails.
pub fn parse(text: &[u8], file: &str) -> Result<Vec<Template>, Stop> {
    let mut templates = Vec::new();
    for (number, record) in records(text).enumerate() {
        let failed = |what: String| {
            Stop::new(format!("debconf does not take template #{} in {file}: {what}", number + 1))
        };
        let mut fields = parse_record(record).map_err(failed)?;
        let name = fields.remove(b"template".as_bstr());
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(failed("it has no Template line".into()));
        };
        templates.push(Template { name, fields });
    }
    Ok(templates)
}

fn records(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_newline = |c| c == '\n';
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(b"\n\n").map_or(rest.len(), |at| at + 2);
        let (record, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(record.trim_start_with(is_newline).trim_end_with(is_newline))
    })
}

type Fields = BTreeMap<BString, BString>;

fn parse_record(record: &[u8]) -> Result<Fields, String> {
    let mut fields = Fields::new();
    let mut field = BString::default();
    let mut value = BString::default();
    let mut below = Vec::new();
    for line in record.split_str("\n") {
        if record.is_empty() {
            break;
        }
        match line_of(line)
            .ok_or_else(|| format!("it cannot be parsed near '{}'", line.as_bstr()))?
        {
            Line::Field(name, text) => {
                save(&mut fields, &field, &value, &below)?;
                field = name.to_ascii_lowercase().into();
                value = text.into();
                below.clear();
            }
            Line::Paragraph => below.extend_from_slice(b"\n\n"),
            Line::Verbatim(text) => {
                if below.last().is_some_and(|last| !b"\n ".contains(last)) {
                    below.push(b'\n');
                }
                below.extend_from_slice(text);
                below.push(b'\n');
            }
            Line::Text(text) => {
                if below.last().is_some_and(|last| !b"\n ".contains(last)) {
                    below.push(b' ');
                }
                below.extend_from_slice(text);
            }
        }
    }
    save(&mut fields, &field, &value, &below)?;
    Ok(fields)
}

fn save(fields: &mut Fields, field: &BString, value: &BString, below: &[u8]) -> Result<(), String> {
    if field.is_empty() {
        return Ok(());
    }
    if fields.contains_key(field) {
        return Err(format!("it has the field {field} twice"));
    }
    fields.insert(field.clone(), value.clone());
    let below = below.trim_end_with(|c| c == '\n');
    if !below.is_empty() {
        fields.insert([b"extended_", &field[..]].concat().into(), below.into());
    }
    Ok(())
}

enum Line<'a> {
    Field(&'a [u8], &'a [u8]),
    /// ` .`
    Paragraph,
    /// Indented by two blanks at least: kept on a line of its own, with its indentation.
    Verbatim(&'a [u8]),
    Text(&'a [u8]),
}

fn line_of(line: &[u8]) -> Option<Line<'_>> {
    if let Some((name, value)) = line.split_once_str(":")
        && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_@.".contains(b))
    {
        return Some(Line::Field(name, trim_end(skip_one_space(value))));
    }
    let text = line.split_first().filter(|(first, _)| is_space(first))?.1;
    Some(match text.first() {
        _ if text == b"." => Line::Paragraph,
        Some(first) if is_space(first) => Line::Verbatim(trim_end(text)),
        _ => Line::Text(trim_end(text)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<(String, String)> {
        let templates = parse(text.as_bytes(), "t").unwrap();
        let all = templates.iter().flat_map(|template| &template.fields);
        all.map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn texts_are_joined_and_paragraphs_kept() {
        let text = "Template: a/b\nType: select  \nChoices: x, y\nDescription: One\n two\n three \n\
            \x20.\n four\n   indented\n  more\n five\n\n\nTemplate: a/c\nType: note\n\
            Description-de.UTF-8: \u{c3}\n";
        let want = [
            ("choices", "x, y"),
            ("description", "One"),
            ("extended_description", "two three\n\nfour\n  indented\n more\nfive"),
            ("type", "select"),
            ("description-de.utf-8", "\u{c3}"),
            ("type", "note"),
        ];
        let want: Vec<_> = want.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(fields(text), want);
    }

    #[test]
    fn what_debconf_refuses_is_refused() {
        for (text, why) in [
            ("Type: note\n", "has no Template line"),
            ("Template: a\nType: note\n\n\n", "#2 in t: it has no Template line"),
            ("Template: a\nType: note\nType: text\n", "type twice"),
            ("Template: a\nType note\n", "near 'Type note'"),
        ] {
            let stop = parse(text.as_bytes(), "t").unwrap_err();
            assert!(stop.detail.contains(why), "{text:?}: {stop}");
        }
    }
}
