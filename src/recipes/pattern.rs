//! [`Pattern`]: a path whose parts have names: `{module}` is a part of one component,
//! `{**folder}` any number of components (and what stands before the first slash after it).

use std::collections::BTreeMap;
use std::fmt;

use imgfix_model::path::ImagePath;
use imgfix_vfs::FileSystem;
use regex::bytes::Regex;

/// Named parts of a path and what they are.
pub type Parts = BTreeMap<String, Vec<u8>>;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 1024;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The pattern has too many bytes, or makes too large a regular expression.
    #[error("pattern {0:?} is longer than {MAX_PATTERN} bytes")]
    TooLong(String),
    /// A `{` is not closed, or a `}` not opened.
    #[error("pattern {0:?} has a brace without its other")]
    Brace(String),
    /// In this pattern a part has this name, which is not one or more letters from `a` to `z`.
    #[error("pattern {0:?}: {1:?} is not a name of small letters")]
    Name(String, String),
    /// In this pattern two parts have this name.
    #[error("pattern {0:?} has the name {1:?} twice")]
    Twice(String, String),
    /// The pattern could match a path that is not absolute.
    #[error("pattern {0:?} must begin with a slash or with a part of several components")]
    Relative(String),
}

impl fmt::Display for Pattern {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => f.write_str(&String::from_utf8_lossy(text)),
            Piece::Part(name) => write!(f, "{{{name}}}"),
            Piece::Components(name) => write!(f, "{{**{name}}}"),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Part(String),
    Components(String),
}

/// A pattern of absolute paths.
#[derive(Debug, Clone)]
pub struct Pattern {
    pieces: Vec<Piece>,
    whole: Regex,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::TooLong(text.into()));
        }
        let pieces = pieces(text)?;
        match pieces.first() {
            Some(Piece::Literal(first)) if first.starts_with(b"/") => {}
            Some(Piece::Components(_)) => {}
            _ => return Err(PatternError::Relative(text.into())),
        }
        let mut names: Vec<&str> = pieces.iter().filter_map(Piece::name).collect();
        names.sort_unstable();
        if let Some((twice, _)) = names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b) {
            return Err(PatternError::Twice(text.into(), (*twice).into()));
        }
        let whole = regex(&pieces, &Parts::new(), text)?;
        Ok(Self { pieces, whole })
    }

    /// The parts of a path that fits; `None` for one that does not.
    #[must_use]
    pub fn parts(&self, path: &[u8]) -> Option<Parts> {
        let found = self.whole.captures(path)?;
        let names = self.pieces.iter().filter_map(Piece::name);
        names.map(|name| Some((name.to_owned(), found.name(name)?.as_bytes().to_vec()))).collect()
    }

    /// What of an image fits, in the order of paths; links are not followed.
    #[must_use]
    pub fn found(&self, fs: &dyn FileSystem) -> Vec<ImagePath> {
        let mut literal = match self.pieces.first() {
            Some(Piece::Literal(text)) => text.clone(),
            _ => b"/".to_vec(),
        };
        if self.pieces.len() > 1 {
            let folder = literal.iter().rposition(|&b| b == b'/').unwrap_or(0);
            literal.truncate(folder.max(1));
        }
        let Ok(start) = ImagePath::new(&literal) else { return Vec::new() };
        if self.pieces.len() == 1 {
            return fs.lstat(&start).is_some().then_some(start).into_iter().collect();
        }
        let mut found = Vec::new();
        fs.visit(&start, &mut |path, _| {
            if self.fits(path.as_bytes()) {
                found.push(path.clone());
            }
        });
        found
    }

    /// Whether a path fits.
    #[must_use]
    pub fn fits(&self, path: &[u8]) -> bool {
        self.whole.is_match(path)
    }

    /// The names of its parts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(Piece::name)
    }

    /// The directory of the paths with these parts, and whether a name in it fits. `None`
    /// when the directory has parts that are not given.
    #[must_use]
    pub fn within(&self, parts: &Parts) -> Option<Within> {
        let slash = self
            .pieces
            .iter()
            .rposition(|piece| matches!(piece, Piece::Literal(text) if text.contains(&b'/')))?;
        let mut folder = Vec::new();
        for piece in self.pieces.get(..slash)? {
            folder.extend_from_slice(match piece {
                Piece::Literal(text) => text,
                Piece::Part(name) | Piece::Components(name) => parts.get(name)?,
            });
        }
        let Some(Piece::Literal(last)) = self.pieces.get(slash) else { return None };
        let at = last.iter().rposition(|&b| b == b'/')?;
        folder.extend_from_slice(last.get(..at)?);
        let mut name = vec![Piece::Literal(last.get(at + 1..)?.to_vec())];
        name.extend(self.pieces.get(slash + 1..)?.iter().cloned());
        Some(Within { folder, name: regex(&name, parts, "").ok()? })
    }
}

/// Where files of a pattern are.
#[derive(Debug)]
pub struct Within {
    /// Absolute; empty for the root.
    pub folder: Vec<u8>,
    name: Regex,
}

impl Within {
    /// Whether a file of this name in the folder fits.
    #[must_use]
    pub fn fits(&self, name: &[u8]) -> bool {
        self.name.is_match(name)
    }
}

impl Piece {
    fn name(&self) -> Option<&str> {
        match self {
            Piece::Literal(_) => None,
            Piece::Part(name) | Piece::Components(name) => Some(name),
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, PatternError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let start = rest.find('{').unwrap_or(rest.len());
        let (literal, after) = rest.split_at(start);
        if literal.contains('}') {
            return Err(PatternError::Brace(text.into()));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        let Some(inside) = after.strip_prefix('{') else { break };
        let Some((name, after)) = inside.split_once('}') else {
            return Err(PatternError::Brace(text.into()));
        };
        let (components, name) = match name.strip_prefix("**") {
            Some(name) => (true, name),
            None => (false, name),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(PatternError::Name(text.into(), name.into()));
        }
        pieces.push(match components {
            true => Piece::Components(name.into()),
            false => Piece::Part(name.into()),
        });
        rest = after;
    }
    Ok(pieces)
}

/// What matches the pieces; the given parts as they are.
fn regex(pieces: &[Piece], parts: &Parts, text: &str) -> Result<Regex, PatternError> {
    let mut pattern = String::from(r"(?s-u)\A");
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => push_literal(&mut pattern, literal),
            Piece::Part(name) | Piece::Components(name) if parts.contains_key(name) => {
                push_literal(&mut pattern, parts.get(name).map(Vec::as_slice).unwrap_or_default());
            }
            Piece::Part(name) => pattern += &format!("(?P<{name}>[^/]+)"),
            Piece::Components(name) => pattern += &format!("(?P<{name}>.*)"),
        }
    }
    pattern += r"\z";
    Regex::new(&pattern).map_err(|_| PatternError::TooLong(text.into()))
}

fn push_literal(pattern: &mut String, literal: &[u8]) {
    for byte in literal {
        *pattern += &format!(r"\x{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        let pattern = Pattern::parse("{**folder}/{module}.py").unwrap();
        for (path, parts) in [
            ("/usr/lib/a.b/c.py", Some(("/usr/lib/a.b", "c"))),
            ("/c.py", Some(("", "c"))),
            ("/usr/.py", None),
            ("/usr/c.pyc", None),
        ] {
            let found = pattern.parts(path.as_bytes());
            let found = found.map(|parts| {
                let part = |name| String::from_utf8(parts[name].clone()).unwrap();
                (part("folder"), part("module"))
            });
            let parts = parts.map(|(folder, module)| (folder.to_owned(), module.to_owned()));
            assert_eq!(found, parts, "{path}");
        }
    }

    #[test]
    fn files_are_looked_for_in_one_folder() {
        let pattern = Pattern::parse("{**folder}/__pycache__/{module}.{tag}.pyc").unwrap();
        let parts: Parts =
            [("folder".to_owned(), b"/a".to_vec()), ("module".to_owned(), b"x.y".to_vec())].into();
        let within = pattern.within(&parts).unwrap();
        assert_eq!(within.folder, b"/a/__pycache__");
        assert!(within.fits(b"x.y.cpython-39.pyc"));
        assert!(!within.fits(b"x-y.cpython-39.pyc"));
        assert!(!within.fits(b"x.y.pyc"));
        assert!(pattern.within(&Parts::new()).is_none());
    }

    #[test]
    fn bad_patterns_are_refused() {
        for (text, error) in [
            ("{a", PatternError::Brace("{a".into())),
            ("/a}", PatternError::Brace("/a}".into())),
            ("/{A}", PatternError::Name("/{A}".into(), "A".into())),
            ("/{a}{a}", PatternError::Twice("/{a}{a}".into(), "a".into())),
            ("a/b", PatternError::Relative("a/b".into())),
            ("{a}/b", PatternError::Relative("{a}/b".into())),
        ] {
            assert_eq!(Pattern::parse(text).unwrap_err(), error);
        }
    }
}
