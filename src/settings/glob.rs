//! Patterns of paths as glob(7) has them, over the image: `*`, `?`, `[...]`, a leading dot only by a dot.
//!
//! In comes a pattern that begins at the root; out come paths in byte order, links followed.

use imgfix_model::path::ImagePath;
use imgfix_vfs::{FileSystem, RootfsError};

/// More files than any program includes by one pattern.
const MAX_MATCHES: usize = 1024;

/// Whether a text has a character that makes it a pattern.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// What `pattern` finds; nothing is no error. `None`: more than is read.
pub(crate) fn expand(
    fs: &dyn FileSystem,
    pattern: &str,
) -> Result<Option<Vec<ImagePath>>, RootfsError> {
    let mut places = vec![ImagePath::root()];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let mut next = Vec::new();
        for place in &places {
            let place = fs.resolve(place)?;
            if part == ".." {
                next.push(place.parent().unwrap_or_else(ImagePath::root));
            } else if is_pattern(part) {
                let children = fs.read_dir(&place);
                next.extend(children.into_iter().filter(|child| {
                    let name = child.file_name();
                    (name.first() != Some(&b'.') || part.starts_with('.'))
                        && matches(part.as_bytes(), name)
                }));
            } else if let Ok(child) = place.join(part) {
                next.push(child);
            }
            if next.len() > MAX_MATCHES {
                return Ok(None);
            }
        }
        places = next;
    }
    let mut found = Vec::new();
    for place in places {
        let real = fs.resolve(&place)?;
        if fs.lstat(&real).is_some() {
            found.push(real);
        }
    }
    Ok(Some(found))
}

/// Whether a name is of the pattern (fnmatch(3)); time is bounded by the product of the lengths.
pub(crate) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                back = Some((p + 1, n));
                p += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => Some(1),
            (Some(b'['), Some(&c)) => class(pattern.get(p..).unwrap_or_default(), c),
            (Some(b'\\'), Some(&c)) if pattern.get(p + 1) == Some(&c) => Some(2),
            (Some(&a), Some(&c)) if a == c => Some(1),
            _ => None,
        };
        if let Some(width) = step {
            p += width;
            n += 1;
            continue;
        }
        let Some((after, at)) = back else { return false };
        if at >= name.len() {
            return false;
        }
        back = Some((after, at + 1));
        (p, n) = (after, at + 1);
    }
}

/// Whether `c` is in the class that `pattern` begins with, and how long that is.
fn class(pattern: &[u8], c: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let mut at = first;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return (found != negated).then_some(at + 1);
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                found |= (low..=high).contains(&c);
                at += 3;
            }
            _ => {
                found |= low == c;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_are_matched_as_by_fnmatch() {
        for (pattern, name, want) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a?c*", "abcde", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]x]", "]", true),
            ("*a*a*b", "aaaaaaaaaaaaaaaaaaaac", false),
            ("[a", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        }
    }
}
