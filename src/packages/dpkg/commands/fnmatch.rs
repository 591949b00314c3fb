//! Shell patterns as `fnmatch(3)` without flags matches them: `*` and `?` match slashes too.

/// Whether a name matches a pattern.
#[must_use]
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // The last `*` seen and how much of the name it stands for; a later `*` never needs an
    // earlier one to be tried again, so the time stays within pattern times name.
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, from));
            at += 1;
            continue;
        }
        if from == name.len() && at == pattern.len() {
            return true;
        }
        let one = name.get(from).and_then(|&byte| one_matches(pattern.get(at..)?, byte));
        match (one, star) {
            (Some(used), _) => {
                at += used;
                from += 1;
            }
            (None, Some((after, start))) if start < name.len() => {
                star = Some((after, start + 1));
                at = after;
                from = start + 1;
            }
            (None, _) => return false,
        }
    }
}

/// Whether the beginning of a pattern matches a byte, and how long that beginning is.
fn one_matches(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => match bracket(rest, byte) {
            Some((true, used)) => Some(used + 1),
            Some((false, _)) => None,
            None => (byte == b'[').then_some(1),
        },
        [plain, ..] => (*plain == byte).then_some(1),
    }
}

/// A bracket expression after its `[`: whether it has the byte, and its length; `None` when
/// it does not end.
fn bracket(text: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let (mut at, mut found) = (start, false);
    loop {
        let low = *text.get(at)?;
        if low == b']' && at > start {
            return Some((found != negated, at + 1));
        }
        match (text.get(at + 1), text.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                found |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                found |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_c_library() {
        for (pattern, name, want) in [
            ("*", "/a/b", true),
            ("*", "", true),
            ("*/b", "/a/b", true),
            ("/a/*", "/a/b/c", true),
            ("?a", "/a", true),
            ("?", "", false),
            ("a*b*c", "axbxbc", true),
            ("a*b*c", "axbxb", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("libc6", "libc6", true),
            ("libc6", "libc6-dev", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), want, "{pattern} {name}");
        }
    }
}
