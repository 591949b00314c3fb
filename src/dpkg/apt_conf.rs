//! apt's configuration, apt.conf(5), as far as it decides what apt would install.
//!
//! In come `/etc/apt/apt.conf.d/*` and then `/etc/apt/apt.conf` of the image, with what they
//! `#include`; out comes a tree of names and values (`acquire::by-hash` = `no`), lists
//! included, and what `Binary::apt-get` says of it. The syntax and its odd corners are those of
//! apt's `ReadConfigFile` (`apt-pkg/contrib/configuration.cc`, measured with `apt-config dump`).
//! Only values are read: hooks are values too, and are never run.

use imgfix_model::path::ImagePath;
use imgfix_repository::config_text::{is_part, plain};
use imgfix_vfs::{Entry, FileSystem, RootfsError};

/// The largest configuration file that is read, in bytes.
const MAX_FILE: usize = 1 << 20;

/// How deep `{ }` may nest.
const MAX_DEPTH: usize = 32;

/// How deep `#include` may nest: apt's own bound.
const MAX_INCLUDES: usize = 10;

/// How many settings are read, over all files.
const MAX_ITEMS: usize = 8192;

/// How many files are read.
const MAX_FILES: usize = 1024;

/// The settings as a tree. Names know no case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AptConf {
    root: Item,
    items: usize,
    /// What apt refuses, with file and line; what stands before it counts.
    pub errors: Vec<String>,
}

/// One setting: its value and those below it. The members of a list have no name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Item {
    tag: String,
    value: String,
    children: Vec<Item>,
}

impl AptConf {
    /// Reads the image's configuration. What cannot be parsed is passed over, and is told in
    /// `errors`.
    ///
    /// # Errors
    /// A file cannot be read from its layer.
    pub fn read(fs: &dyn FileSystem) -> Result<Self, RootfsError> {
        let mut out = Self::default();
        let mut reader = Reader { fs, files: 0, failed: None };
        reader.folder(&mut out, "/etc/apt/apt.conf.d", 0);
        reader.file(&mut out, "/etc/apt/apt.conf", 0);
        out.specialise("Binary::apt-get");
        match reader.failed {
            Some(error) => Err(error),
            None => Ok(out),
        }
    }

    /// Adds the settings of one text; later ones win. `#include` is passed over.
    pub fn parse(&mut self, text: &[u8]) {
        if let Err(error) = self.parse_file("apt.conf", text, &mut |_, _| {}) {
            self.errors.push(error);
        }
    }

    /// Moves what is said for one program to the top.
    fn specialise(&mut self, name: &str) {
        let parts: Vec<&str> = name.split("::").collect();
        let mut at = &mut self.root;
        for part in parts {
            let Some(next) = at.children.iter_mut().find(|item| item.is(part)) else { return };
            at = next;
        }
        let own = std::mem::take(&mut at.children);
        for item in own {
            self.root.merge(item);
        }
    }

    /// A setting by its full name, in any case; `None` also for one that is empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|item| item.value.as_str()).filter(|value| !value.is_empty())
    }

    /// A setting that is a truth value; `default` when it is absent or no truth value.
    #[must_use]
    pub fn truth(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(truth).unwrap_or(default)
    }

    /// The values right below a name, in order, empty ones left out: `DPkg::Options`. What the
    /// name itself is set to is no member.
    #[must_use]
    pub fn members(&self, name: &str) -> Vec<&str> {
        let children = self.find(name).map(|item| item.children.as_slice()).unwrap_or_default();
        children.iter().map(|item| item.value.as_str()).filter(|value| !value.is_empty()).collect()
    }

    /// A list in either of its forms: `Name "a,b";` or `Name { "a"; "b"; };`.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(value) => value.split(',').collect(),
            None => self.members(name),
        }
    }

    fn find(&self, name: &str) -> Option<&Item> {
        name.split("::")
            .try_fold(&self.root, |item, tag| item.children.iter().find(|child| child.is(tag)))
    }

    /// Sets a value by its full name; a name that ends with `::` gets a new member.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let mut item = &mut self.root;
        for tag in name.split("::") {
            let known = item.children.iter().position(|child| child.is(tag));
            let at = match known.filter(|_| !tag.is_empty()) {
                Some(at) => at,
                None => {
                    self.items += 1;
                    if self.items > MAX_ITEMS {
                        return Err(format!("more than {MAX_ITEMS} settings"));
                    }
                    item.children.push(Item { tag: tag.to_owned(), ..Item::default() });
                    item.children.len() - 1
                }
            };
            let Some(child) = item.children.get_mut(at) else { return Ok(()) };
            item = child;
        }
        value.clone_into(&mut item.value);
        Ok(())
    }

    /// `#clear`: a value and all below it.
    fn clear(&mut self, name: &str) {
        let mut item = &mut self.root;
        for tag in name.split("::") {
            let Some(child) = item.children.iter_mut().find(|child| child.is(tag)) else { return };
            item = child;
        }
        item.value.clear();
        item.children.clear();
    }

    /// Adds the settings of one file. `include` adds another one, by the name it is given.
    fn parse_file(
        &mut self,
        name: &str,
        text: &[u8],
        include: &mut dyn FnMut(&mut Self, &str),
    ) -> Result<(), String> {
        let text = plain(text.get(..text.len().min(MAX_FILE)).unwrap_or(text));
        let text = String::from_utf8_lossy(&text);
        let mut parser = Parser::default();
        for (at, line) in text.split('\n').enumerate() {
            let error = |problem: String| format!("{name}: line {}: {problem}", at + 1);
            let line = parser.without_comments(line);
            parser.line(self, &line, include).map_err(error)?;
        }
        match parser.buffer.is_empty() {
            true => Ok(()),
            false => Err(format!("{name}: {:?} at its end has no semicolon", clip(&parser.buffer))),
        }
    }
}

impl Item {
    fn is(&self, tag: &str) -> bool {
        !self.tag.is_empty() && self.tag.eq_ignore_ascii_case(tag)
    }

    /// Takes over another item: values win, members of lists are added.
    fn merge(&mut self, item: Item) {
        match self.children.iter_mut().find(|child| child.is(&item.tag)) {
            Some(known) => {
                if !item.value.is_empty() {
                    known.value = item.value;
                }
                for child in item.children {
                    known.merge(child);
                }
            }
            None => self.children.push(item),
        }
    }
}

/// Reads files of the image, within bounds.
struct Reader<'a> {
    fs: &'a dyn FileSystem,
    files: usize,
    /// The first file that this machine could not read.
    failed: Option<RootfsError>,
}

impl Reader<'_> {
    fn file(&mut self, conf: &mut AptConf, name: &str, depth: usize) {
        self.files += 1;
        if self.files > MAX_FILES || depth > MAX_INCLUDES {
            conf.errors.push(format!("{name}: too many files of apt's configuration"));
            return;
        }
        let Ok(path) = ImagePath::new(name) else { return };
        if !self.fs.stat(&path).is_some_and(Entry::is_file) {
            return;
        }
        let text = match self.fs.read_if_readable(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(error) => {
                self.failed.get_or_insert(error);
                return;
            }
        };
        let include = &mut |conf: &mut AptConf, other: &str| match other.ends_with('/') {
            true => self.folder(conf, other, depth + 1),
            false => self.file(conf, other, depth + 1),
        };
        if let Err(error) = conf.parse_file(name, &text, include) {
            conf.errors.push(error);
        }
    }

    fn folder(&mut self, conf: &mut AptConf, name: &str, depth: usize) {
        let Ok(path) = ImagePath::new(name.trim_end_matches('/')) else { return };
        let Ok(path) = self.fs.resolve(&path) else { return };
        for part in self.fs.read_dir(&path) {
            if is_part(part.file_name(), "conf") {
                self.file(conf, &part.to_str_lossy(), depth);
            }
        }
    }
}

/// Where a file's text is in its syntax.
#[derive(Default)]
struct Parser {
    in_comment: bool,
    /// What was read of the statement at hand.
    buffer: String,
    /// The name of the block at hand, and those of the blocks around it.
    scope: String,
    outer: Vec<String>,
}

impl Parser {
    /// The line without comments and without blanks at its ends.
    fn without_comments(&mut self, line: &str) -> String {
        let line = line.replace('\t', "        ");
        let mut rest = line.trim();
        if self.in_comment {
            let Some((_, after)) = rest.split_once("*/") else { return String::new() };
            rest = after;
            self.in_comment = false;
        }
        rest = rest.get(..end_of_code(rest)).unwrap_or(rest);
        let mut out = String::new();
        let mut quoted = false;
        while let Some(c) = rest.chars().next() {
            quoted ^= c == '"';
            if !quoted && let Some(comment) = rest.strip_prefix("/*") {
                let Some((_, after)) = comment.split_once("*/") else {
                    self.in_comment = true;
                    break;
                };
                rest = after;
                continue;
            }
            out.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        out
    }

    fn line(
        &mut self,
        conf: &mut AptConf,
        line: &str,
        include: &mut dyn FnMut(&mut AptConf, &str),
    ) -> Result<(), String> {
        let mut start = 0;
        let mut quoted = false;
        for (at, c) in line.char_indices() {
            quoted ^= c == '"';
            if !quoted && matches!(c, '{' | ';' | '}') {
                self.add(line.get(start..at).unwrap_or_default());
                start = at + 1;
                self.statement(conf, c, include)?;
            }
        }
        self.add(line.get(start..).unwrap_or_default());
        Ok(())
    }

    fn add(&mut self, text: &str) {
        let text = text.trim();
        if !self.buffer.is_empty() && !text.is_empty() {
            self.buffer.push(' ');
        }
        self.buffer.push_str(text);
    }

    /// A statement that `end` ends.
    fn statement(
        &mut self,
        conf: &mut AptConf,
        end: char,
        include: &mut dyn FnMut(&mut AptConf, &str),
    ) -> Result<(), String> {
        let text = std::mem::take(&mut self.buffer);
        if text.is_empty() {
            return match end {
                '{' => Err("a block has no name".to_owned()),
                '}' => {
                    self.leave();
                    Ok(())
                }
                _ => Ok(()),
            };
        }
        let (mut tag, rest) = quote_word(&text).ok_or("a name has an open quote")?;
        let word = if rest.is_empty() { None } else { Some(value(rest)?) };
        if end == '{' {
            if self.outer.len() >= MAX_DEPTH {
                return Err(format!("more than {MAX_DEPTH} blocks in each other"));
            }
            let scope = if self.scope.is_empty() {
                std::mem::take(&mut tag)
            } else {
                format!("{}::{}", self.scope, std::mem::take(&mut tag))
            };
            self.outer.push(std::mem::replace(&mut self.scope, scope));
            if let Some(word) = word {
                conf.set(&self.scope, &word)?;
            }
            return Ok(());
        }
        // A word that stands alone is a value: the member of a list.
        let (tag, word) = match word {
            Some(word) => (tag, word),
            None => (String::new(), tag),
        };
        if tag.is_empty() && word == "#clear" {
            return Err("#clear does not say what".to_owned());
        }
        if let Some(directive) = tag.strip_prefix('#') {
            if !self.scope.is_empty() {
                return Err("a directive stands in a block".to_owned());
            }
            match directive {
                "clear" => conf.clear(&word),
                "include" => include(conf, &word),
                "x-apt-configure-index" => {}
                _ => return Err(format!("the directive #{} is not known", clip(directive))),
            }
        } else if self.scope.is_empty() {
            conf.set(&tag, &word)?;
        } else {
            conf.set(&format!("{}::{tag}", self.scope), &word)?;
        }
        if end == '}' {
            self.leave();
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.scope = self.outer.pop().unwrap_or_default();
    }
}

/// Where a comment that reaches to the end of the line begins.
fn end_of_code(line: &str) -> usize {
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        quoted ^= c == '"';
        let rest = line.get(at..).unwrap_or_default();
        let directive =
            ["#clear", "#include", "#x-apt-configure-index"].iter().any(|d| rest.starts_with(d));
        if !quoted && (rest.starts_with("//") || (c == '#' && !directive)) {
            return at;
        }
    }
    line.len()
}

/// The first word of `text`, without its quotes and with `%41` decoded, and what follows it:
/// apt's `ParseQuoteWord`.
fn quote_word(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches(' ');
    let bytes = text.as_bytes();
    let mut end = 0;
    while let Some(&byte) = bytes.get(end).filter(|byte| !is_blank(**byte)) {
        let close = match byte {
            b'"' => Some(b'"'),
            b'[' => Some(b']'),
            _ => None,
        };
        if let Some(close) = close {
            end += 1 + bytes.get(end + 1..)?.iter().position(|byte| *byte == close)?;
        }
        end += 1;
    }
    let (word, rest) = text.split_at_checked(end)?;
    let mut out = Vec::with_capacity(word.len());
    let mut bytes = word.as_bytes();
    while let Some((&byte, after)) = bytes.split_first() {
        let decoded = match (byte, after) {
            (b'%', [a, b, ..]) => hex(*a).zip(hex(*b)).map(|(a, b)| a * 16 + b),
            _ => None,
        };
        match decoded {
            Some(decoded) => {
                out.push(decoded);
                bytes = after.get(2..).unwrap_or_default();
            }
            None => {
                if byte != b'"' {
                    out.push(byte);
                }
                bytes = after;
            }
        }
    }
    Some((String::from_utf8_lossy(&out).into_owned(), rest.trim_start()))
}

/// The value after a name: quoted texts with blanks between, apt's `ParseCWord`, or else one
/// word.
fn value(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let Some((inside, after)) = quoted.split_once('"') else { break };
            out.push_str(inside);
            rest = after;
        } else if rest.starts_with(|c: char| c.is_ascii_whitespace()) {
            out.push(' ');
            rest = rest.trim_ascii_start();
        } else if rest.is_empty() {
            return Ok(out);
        } else {
            break;
        }
    }
    match quote_word(text) {
        Some((word, "")) => Ok(word),
        _ => Err(format!("{:?} is more than one value", clip(text))),
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}

/// A truth value as apt's `StringToBool` (apt-pkg/contrib/strutl.cc) reads it.
#[must_use]
pub fn truth(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "with" | "on" | "enable" | "1" => Some(true),
        "no" | "false" | "without" | "off" | "disable" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
