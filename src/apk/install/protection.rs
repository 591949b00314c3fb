//! Protected paths: where apk leaves files alone that the image has changed.
//!
//! In come the patterns that apk has itself and those of `etc/apk/protected_paths.d`; out comes,
//! for each directory, how its files are protected. Source: apk-tools 2.14, `src/database.c`
//! (`add_protected_path`, `apk_db_dir_get`).

use super::super::inventory::InventoryError;
use imgfix_model::path::ImagePath;
use imgfix_shell::fnmatch;
use imgfix_vfs::{Entry, FileSystem};

/// What apk protects when nothing else is said.
const BUILT_IN: &[u8] = b"+etc\n@etc/init.d\n!etc/apk\n";

/// The most patterns that are read; apk's packages bring one or two. Each is held against every
/// directory of every package.
const MAX_PATTERNS: usize = 1000;

/// Whether files of a directory are protected. apk has kinds that differ for `apk audit`; to an
/// installation there are these two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Protection {
    /// No pattern matches, or the one that counts begins with `-`.
    #[default]
    None,
    /// `+`, `@` and `!`.
    Protected,
}

/// A pattern, relative to the directory it is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    path: Vec<u8>,
    protection: Protection,
}

/// The patterns of an image, apk's own first.
///
/// A file that cannot be read is passed over, as apk does.
///
/// # Errors
/// There are more patterns than any image needs.
pub(super) fn read(fs: &dyn FileSystem) -> Result<Vec<Pattern>, InventoryError> {
    let mut patterns = Vec::new();
    parse(BUILT_IN, &mut patterns);
    let folder = fs.resolve(&ImagePath::literal("/etc/apk/protected_paths.d"));
    let files = folder.map(|folder| fs.read_dir(&folder)).unwrap_or_default();
    for path in files.iter().filter(|path| path.file_name().ends_with(b".list")) {
        if fs.stat(path).is_some_and(Entry::is_file)
            && let Some(text) = fs.read_if_readable(path)?
        {
            parse(&text, &mut patterns);
        }
        if patterns.len() > MAX_PATTERNS {
            let path = path.clone();
            return Err(InventoryError::ProtectedPaths { path, limit: MAX_PATTERNS });
        }
    }
    Ok(patterns)
}

fn parse(text: &[u8], patterns: &mut Vec<Pattern>) {
    for line in text.split(|&byte| byte == b'\n') {
        let (protection, path) = match line {
            [] | [b'#', ..] => continue,
            [b'-', path @ ..] => (Protection::None, path),
            [b'+' | b'@' | b'!', path @ ..] | path => (Protection::Protected, path),
        };
        let path = without_slashes(path).to_vec();
        patterns.push(Pattern { path, protection });
    }
}

/// What the patterns of a parent mean for a directory in it.
///
/// The protection is `inherited` if no pattern says otherwise; with it come the patterns for
/// what is inside.
pub(super) fn of_child(
    patterns: &[Pattern],
    name: &[u8],
    inherited: Protection,
) -> (Protection, Vec<Pattern>) {
    let mut protection = inherited;
    let mut inside = Vec::new();
    for pattern in patterns {
        let (first, rest) = match pattern.path.iter().position(|&byte| byte == b'/') {
            Some(slash) => (pattern.path.get(..slash), pattern.path.get(slash + 1..)),
            None => (Some(&pattern.path[..]), None),
        };
        if !fnmatch::matches(first.unwrap_or_default(), name) {
            continue;
        }
        match rest {
            Some(rest) => {
                inside.push(Pattern { path: rest.to_vec(), protection: pattern.protection })
            }
            None => protection = pattern.protection,
        }
    }
    (protection, inside)
}

fn without_slashes(mut path: &[u8]) -> &[u8] {
    while let Some(inner) = path.strip_prefix(b"/").or_else(|| path.strip_suffix(b"/")) {
        path = inner;
    }
    path
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{NoLayers, Tree};

    fn protection(patterns: &[Pattern], path: &str) -> Protection {
        let (mut here, mut inside) = (Protection::None, patterns.to_vec());
        for name in path.split('/') {
            (here, inside) = of_child(&inside, name.as_bytes(), here);
        }
        here
    }

    #[test]
    fn patterns_protect_what_is_in_their_directories() {
        let mut patterns = Vec::new();
        parse(BUILT_IN, &mut patterns);
        parse(b"# no\n\n-etc/cache\n/opt/*/conf/\n+etc/cache/keep", &mut patterns);
        for (path, want) in [
            ("etc", Protection::Protected),
            ("etc/apk/keys", Protection::Protected),
            ("etc/cache", Protection::None),
            ("etc/cache/x", Protection::None),
            ("etc/cache/keep", Protection::Protected),
            ("usr/etc", Protection::None),
            ("opt/a", Protection::None),
            ("opt/a/conf/d", Protection::Protected),
            ("opt/a/b/conf", Protection::None),
        ] {
            assert_eq!(protection(&patterns, path), want, "{path}");
        }
    }

    #[test]
    fn more_patterns_than_any_image_needs_are_refused() {
        let read = |count: usize| {
            let path = ImagePath::literal("/etc/apk/protected_paths.d/x.list");
            let entry = Entry::file("+*/*\n".repeat(count), 0o644, 0);
            super::read(&Tree::from_entries(vec![(path, entry)], Arc::new(NoLayers)))
        };
        let built_in = 3;
        assert_eq!(read(MAX_PATTERNS - built_in).unwrap().len(), MAX_PATTERNS);
        let why = read(MAX_PATTERNS).unwrap_err().to_string();
        assert!(why.starts_with("/etc/apk/protected_paths.d/x.list: more than 1000"), "{why}");
    }

    #[test]
    fn patterns_that_this_machine_cannot_read_are_not_passed_over() {
        use imgfix_vfs::BrokenDisk;
        let path = "/etc/apk/protected_paths.d/x.list";
        let file = (ImagePath::literal(path), BrokenDisk::file(10));
        let tree = Tree::from_entries([file], Arc::new(BrokenDisk));
        assert!(matches!(read(&tree), Err(InventoryError::Read(_))));
    }
}
