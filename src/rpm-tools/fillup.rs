//! `fillup -q FILE TEMPLATE`, by which packages of SUSE bring new settings into `/etc/sysconfig`:
//! what the administrator set stays, what the template has besides is added (openSUSE's `fillup`).
//!
//! A file is a row of blocks: comments, then the assignment that they are about. Of a variable that
//! both files assign the file's block stays, with what the template says of it (`## Type:` and so
//! on). A comment at the end of the file is dropped.

use imgfix_shell::options::{Short, Value};
use imgfix_shell::{Process, Status};
use imgfix_tools::files::read_optional;

/// Lines about a setting, `## KEYWORD:`, in the order in which they are written.
const KEYWORDS: &[&str] = &[
    "Path",
    "Description",
    "Type",
    "Default",
    "Config",
    "ServiceReload",
    "ServiceRestart",
    "Command",
    "PreSaveCommand",
];

/// `fillup`.
///
/// # Errors
/// Other options; files with comments that look like a setting without name, which it sorts in a way
/// of its own.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut files = Vec::new();
    let mut options = process.options();
    while let Some(option) = options.next()? {
        match option {
            Short('q') => {}
            Value(file) => files.push(file.into_encoded_bytes()),
            option => return Err(process.unsupported_option(&option)),
        }
    }
    let [base, template] = files.as_slice() else {
        return Err(process.unsupported("anything but a file and a template"));
    };
    let mut texts = Vec::new();
    for path in [base, template] {
        let Some(text) = read_optional(process, path)? else {
            return Err(process.unsupported(path));
        };
        match String::from_utf8(text.to_vec()) {
            Ok(text) if text.is_ascii() && !text.contains('\0') => texts.push(whole(text)),
            _ => return Err(process.unsupported(path)),
        }
    }
    let [old, new] = &texts[..] else { return Err(process.unsupported("no files")) };
    let Some(filled) = fill(old, new) else { return Err(process.unsupported(base)) };
    let directory = process.call.directory.clone();
    match process.machine.write_file(&directory, base, filled, 0o644)? {
        Ok(()) => Ok(0),
        Err(errno) => process.failed("write", base, errno),
    }
}

/// A text whose last line ends.
fn whole(text: String) -> String {
    match text.is_empty() || text.ends_with('\n') {
        true => text,
        false => text + "\n",
    }
}

/// What a block ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Assignment,
    /// One that is commented out.
    Commented,
    /// A word without a sign.
    Name,
    /// The end of the file.
    End,
}

struct Block<'t> {
    text: &'t str,
    name: &'t str,
    kind: Kind,
}

/// The file with what the template has; `None` where the real one is not followed.
fn fill(old: &str, new: &str) -> Option<String> {
    let (old, new) = (blocks(old)?, blocks(new)?);
    if old.first().is_some_and(|first| first.kind == Kind::End) {
        return None;
    }
    let named = |blocks: &[Block<'_>]| {
        blocks.iter().all(|block| !block.name.is_empty() || block.kind == Kind::End)
    };
    if !named(&old) || !named(&new) {
        return None;
    }
    let mut filled = String::new();
    for (at, block) in old.iter().enumerate().filter(|(_, block)| block.kind != Kind::End) {
        let Some(other) = first(&new, block.name) else {
            filled.push_str(block.text);
            continue;
        };
        if !(is_assigned(&old, block.name) && is_assigned(&new, block.name)) {
            continue;
        }
        let is_first = old.iter().position(|one| one.name == block.name) == Some(at);
        match is_first {
            true => filled.push_str(&described(block.text, other.text)),
            false => filled.push_str(block.text),
        }
    }
    for block in new.iter().filter(|block| block.kind != Kind::End) {
        let is_there = first(&old, block.name).is_some();
        let replaces = is_assigned(&new, block.name) && !is_assigned(&old, block.name);
        if !is_there || replaces {
            filled.push_str(block.text);
        }
    }
    Some(filled)
}

fn first<'b, 't>(blocks: &'b [Block<'t>], name: &str) -> Option<&'b Block<'t>> {
    blocks.iter().find(|block| block.kind != Kind::End && block.name == name)
}

/// Whether a variable is assigned; a line that begins with `test` counts, as it did in old files.
fn is_assigned(blocks: &[Block<'_>], name: &str) -> bool {
    let is_old_test =
        name == "test" && first(blocks, name).is_some_and(|one| one.kind == Kind::Name);
    is_old_test || blocks.iter().any(|one| one.name == name && one.kind == Kind::Assignment)
}

/// `None` for a file with more blocks than lines with a sign, of which the real one loses some.
fn blocks(text: &str) -> Option<Vec<Block<'_>>> {
    let most = text.split('\n').filter(|line| line.contains('=')).count() + 1;
    let mut blocks = Vec::new();
    let (mut rest, mut length) = (text, 0);
    while !rest.is_empty() {
        let line = rest.get(length..).unwrap_or_default();
        let line = line.split_inclusive('\n').next().unwrap_or_default();
        length += line.len();
        let is_last = length == rest.len();
        let (name, kind) = match read(line) {
            Line::Ends(name, kind) => (name, kind),
            Line::Comment | Line::Other if is_last => ("", Kind::End),
            Line::Comment | Line::Other => continue,
        };
        let (block, behind) = rest.split_at(length);
        blocks.push(Block { text: block, name, kind });
        (rest, length) = (behind, 0);
    }
    (blocks.len() <= most).then_some(blocks)
}

enum Line<'t> {
    Ends(&'t str, Kind),
    Comment,
    Other,
}

fn read(line: &str) -> Line<'_> {
    let text = line.trim_start_matches(is_space);
    if text.is_empty() {
        return Line::Comment;
    }
    let (is_comment, text) = match text.strip_prefix('#') {
        Some(comment) if !comment.is_empty() => (true, comment.trim_start_matches(is_space)),
        _ => (false, text),
    };
    let name = name(text);
    let behind = text.get(name.len()..).unwrap_or_default();
    let is_assignment = behind.len() > 1 && behind.starts_with('=');
    match (is_comment, is_assignment) {
        (true, true) => Line::Ends(name, Kind::Commented),
        (true, false) => Line::Comment,
        (false, _) if name.is_empty() => Line::Other,
        (false, true) => Line::Ends(name, Kind::Assignment),
        (false, false) => Line::Ends(name, Kind::Name),
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

fn name(text: &str) -> &str {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return "";
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    text.get(..text.find(|c| !is_part(c)).unwrap_or(text.len())).unwrap_or_default()
}

/// A block of the file with the descriptions that the template has for it.
fn described(old: &str, new: &str) -> String {
    let (of_old, length) = descriptions(old);
    let (of_new, _) = descriptions(new);
    let mut written = String::new();
    for keyword in KEYWORDS {
        let find = |all: &[(&str, String)]| {
            all.iter().find(|(other, _)| other == keyword).map(|(_, text)| text.clone())
        };
        let Some(text) = find(&of_new).or_else(|| find(&of_old)) else { continue };
        match written.is_empty() {
            true => written.push_str(&text),
            false => written.push_str(text.trim_start_matches(is_space)),
        }
    }
    let rest = old.get(length..).unwrap_or_default();
    match written.is_empty() {
        true => rest.to_owned(),
        false => written + rest.trim_start_matches(is_space),
    }
}

/// The descriptions that a block begins with, and their length.
fn descriptions(block: &str) -> (Vec<(&'static str, String)>, usize) {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    let mut at = block.len() - block.trim_start_matches(is_space).len();
    let mut start = 0;
    loop {
        let rest = block.get(at..).unwrap_or_default();
        let Some(keyword) = keyword(rest) else { break };
        if found.iter().any(|(other, _)| *other == keyword) {
            break;
        }
        let mut end = at + first_line(rest);
        loop {
            let more = block.get(end..).unwrap_or_default();
            let is_more = inside(more).is_some_and(|text| {
                let other = keyword_of(text);
                other.is_none() || other == Some(keyword)
            });
            if !is_more {
                break;
            }
            end += first_line(more);
        }
        found.push((keyword, block.get(start..end).unwrap_or_default().to_owned()));
        (start, at) = (end, end);
    }
    (found, start)
}

fn first_line(text: &str) -> usize {
    text.find('\n').map_or(text.len(), |end| end + 1)
}

/// What is behind the two signs of a description.
fn inside(text: &str) -> Option<&str> {
    let blank = |c| matches!(c, ' ' | '\t');
    Some(text.trim_start_matches(blank).strip_prefix("##")?.trim_start_matches(blank))
}

fn keyword(text: &str) -> Option<&'static str> {
    inside(text).and_then(keyword_of)
}

fn keyword_of(text: &str) -> Option<&'static str> {
    let found = KEYWORDS.iter().copied().find(|keyword| text.starts_with(keyword))?;
    text.get(found.len()..)?.starts_with(':').then_some(found)
}

#[cfg(test)]
mod tests {
    use super::fill;

    const TEMPLATE: &str = "## Path:\tSystem\n## Type:\tyesno\n## Default:\tno\n#\n# About it.\n#\nA=\"no\"\n\n\
                            ## Type: string\n# B it is\nB=\"\"\n";

    #[test]
    fn a_new_file_is_the_template_and_settings_stay() {
        assert_eq!(fill("", TEMPLATE).as_deref(), Some(TEMPLATE));
        assert_eq!(fill(TEMPLATE, TEMPLATE).as_deref(), Some(TEMPLATE));
        let set = "## Type:\tstring\n# Old words.\nA=yes\nC=1\n# end\n";
        let want = "## Path:\tSystem\n## Type:\tyesno\n## Default:\tno\n# Old words.\nA=yes\nC=1\n\n\
                    ## Type: string\n# B it is\nB=\"\"\n";
        assert_eq!(fill(set, TEMPLATE).as_deref(), Some(want));
    }

    #[test]
    fn what_the_real_one_loses_is_not_followed() {
        assert_eq!(fill("# only words\n", TEMPLATE), None);
        assert_eq!(fill("A=1\n# =====\n", TEMPLATE), None);
        assert_eq!(fill("one\ntwo\nA=1\n", TEMPLATE), None);
    }
}
