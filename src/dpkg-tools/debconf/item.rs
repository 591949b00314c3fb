//! [`Item`]: one question or template as a database holds it, and the text form of a file of
//! them (Debconf's format "822").
//!
//! A file is one paragraph an item: `Name:`, then its fields sorted by name with a capital
//! first letter, `Owners:`, `Flags:` (those that are true) and `Variables:`. Newlines in
//! values are written as `\n`; a literal `\n` in a value is not told apart when it is read
//! again, and this keeps that.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice as _};

use super::text::{is_space, replace, skip_one_space, split_list};

/// One question or template.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Item {
    pub owners: BTreeSet<BString>,
    /// Names in lower case: `value`, `template`, `description-de.utf-8`.
    pub fields: BTreeMap<BString, BString>,
    pub variables: BTreeMap<BString, BString>,
    pub flags: BTreeMap<BString, BString>,
}

/// The items of a file by name. A paragraph without a name is dropped.
#[must_use]
pub fn read(text: &[u8]) -> BTreeMap<BString, Item> {
    let mut items = BTreeMap::new();
    let mut lines = text.strip_suffix(b"\n").unwrap_or(text).split_str("\n").peekable();
    while lines.peek().is_some() {
        let paragraph = lines.by_ref().take_while(|line| !line.is_empty());
        if let (Some(name), item) = read_paragraph(paragraph) {
            items.insert(name, item);
        }
    }
    items
}

fn read_paragraph<'a>(lines: impl Iterator<Item = &'a [u8]>) -> (Option<BString>, Item) {
    let (mut name, mut item) = (None, Item::default());
    let mut in_variables = false;
    for line in lines {
        in_variables = in_variables && line.first().is_some_and(is_space);
        if in_variables {
            let (variable, value) =
                split_variable(line.trim_start_with(|c| c.is_ascii_whitespace()));
            item.variables.insert(variable.into(), replace(value, b"\\n", b"\n"));
            continue;
        }
        let (key, value) = line.split_once_str(":").unwrap_or((line, b""));
        let value = skip_one_space(value);
        match &key.to_ascii_lowercase()[..] {
            b"owners" => item.owners.extend(split_list(value)),
            b"flags" => {
                item.flags.extend(split_list(value).map(|flag| (flag, BString::from("true"))));
            }
            b"variables" => in_variables = true,
            b"name" => name = Some(value.into()),
            b"" => {}
            field => drop(item.fields.insert(field.into(), replace(value, b"\\n", b"\n"))),
        }
    }
    (name, item)
}

/// `NAME = VALUE`, blanks before the sign and one after it not counting.
fn split_variable(line: &[u8]) -> (&[u8], &[u8]) {
    let (name, value) = line.split_once_str("=").unwrap_or((line, b""));
    (name.trim_end_with(|c| c.is_ascii_whitespace()), skip_one_space(value))
}

/// The text of a file that holds these items.
#[must_use]
pub fn write<'a>(items: impl IntoIterator<Item = (&'a BString, &'a Item)>) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, item) in items {
        text.extend_from_slice(&[b"Name: ", &name[..], b"\n"].concat());
        for (field, value) in &item.fields {
            let value = replace(value, b"\n", b"\\n");
            text.extend_from_slice(&[&capital(field)[..], b": ", &value, b"\n"].concat());
        }
        let owners: Vec<_> = item.owners.iter().collect();
        write_list(&mut text, b"Owners: ", &owners);
        let set = item.flags.iter().filter(|(_, value)| *value == "true");
        write_list(&mut text, b"Flags: ", &set.map(|(flag, _)| flag).collect::<Vec<_>>());
        if !item.variables.is_empty() {
            text.extend_from_slice(b"Variables:\n");
        }
        for (variable, value) in &item.variables {
            let value = replace(value, b"\n", b"\\n");
            text.extend_from_slice(&[b" ", &variable[..], b" = ", &value, b"\n"].concat());
        }
        text.push(b'\n');
    }
    text
}

fn write_list(text: &mut Vec<u8>, head: &[u8], names: &[&BString]) {
    if !names.is_empty() {
        text.extend_from_slice(head);
        text.extend_from_slice(&bstr::join(", ", names));
        text.push(b'\n');
    }
}

fn capital(field: &[u8]) -> Vec<u8> {
    let mut field = field.to_vec();
    if let Some(first) = field.first_mut() {
        first.make_ascii_uppercase();
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name: a/b\nTemplate: a/b\nValue: x\\ny\nOwners: p, q:amd64\n\
        Flags: seen\nVariables:\n CHOICES = one, two\n empty = \n\n\
        Name: a/c\nDescription-de.utf-8: \nExtended_description: t: u\n\n";

    #[test]
    fn a_file_is_written_as_it_was_read() {
        let items = read(TEXT.as_bytes());
        assert_eq!(write(&items), TEXT.as_bytes());
        let first = items.get(b"a/b".as_bstr()).unwrap();
        assert_eq!(first.fields.get(b"value".as_bstr()).unwrap(), "x\ny");
        assert_eq!(first.variables.get(b"CHOICES".as_bstr()).unwrap(), "one, two");
        assert!(first.owners.contains(b"q:amd64".as_bstr()));
    }

    #[test]
    fn the_last_paragraph_needs_no_blank_line_and_one_without_name_is_dropped() {
        let items = read(b"Value: x\n\nname:n\nFLAGS: a,b,  c\nVariables:\n x=1\nValue: 2");
        let text = "Name: n\nValue: 2\nFlags: a,b, c\nVariables:\n x = 1\n\n";
        assert_eq!(write(&items).as_bstr(), text);
    }
}
