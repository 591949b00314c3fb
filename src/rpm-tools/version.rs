//! The order of version texts as `rpm.vercmp` has it (rpm's `rpmio/rpmvercmp.c`).

use std::cmp::Ordering;

/// Compares two texts: runs of digits as numbers, runs of letters as texts, everything else
/// separates; `~` is below the end of a text, `^` above it and below anything else.
#[must_use]
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        (a, b) = (trimmed(a), trimmed(b));
        match (a.split_first(), b.split_first()) {
            (Some((b'~', x)), Some((b'~', y))) | (Some((b'^', x)), Some((b'^', y))) => {
                (a, b) = (x, y);
                continue;
            }
            (Some((b'~', _)), _) => return Ordering::Less,
            (_, Some((b'~', _))) => return Ordering::Greater,
            (Some((b'^', _)), None) => return Ordering::Greater,
            (None, Some((b'^', _))) => return Ordering::Less,
            (Some((b'^', _)), _) => return Ordering::Less,
            (_, Some((b'^', _))) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some((first, _)), Some(_)) => {
                let digits = first.is_ascii_digit();
                let (x, y) = (run(a, digits), run(b, digits));
                if y.is_empty() {
                    return if digits { Ordering::Greater } else { Ordering::Less };
                }
                let order = match digits {
                    true => {
                        let (x, y) = (significant(x), significant(y));
                        x.len().cmp(&y.len()).then_with(|| x.cmp(y))
                    }
                    false => x.cmp(y),
                };
                if order != Ordering::Equal {
                    return order;
                }
                a = a.get(x.len()..).unwrap_or_default();
                b = b.get(y.len()..).unwrap_or_default();
            }
        }
    }
}

/// Without the separators in front.
fn trimmed(text: &[u8]) -> &[u8] {
    let is_kept = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'~' | b'^');
    let at = text.iter().position(is_kept).unwrap_or(text.len());
    text.get(at..).unwrap_or_default()
}

/// The digits, or the letters, in front.
fn run(text: &[u8], digits: bool) -> &[u8] {
    let is_in = |b: &u8| if digits { b.is_ascii_digit() } else { b.is_ascii_alphabetic() };
    let end = text.iter().position(|b| !is_in(b)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Without zeros in front.
fn significant(digits: &[u8]) -> &[u8] {
    let at = digits.iter().position(|&b| b != b'0').unwrap_or(digits.len());
    digits.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_in_rpm() {
        for (a, b, order) in [
            ("6.1.0-imgfix", "3.2", Ordering::Greater),
            ("1.0", "1.00", Ordering::Equal),
            ("1.0~rc1", "1.0", Ordering::Less),
            ("1.0^git", "1.0", Ordering::Greater),
            ("1.0^git", "1.0.1", Ordering::Less),
            ("1.a", "1.1", Ordering::Less),
            ("2.0", "2.0.1", Ordering::Less),
            ("a.b", "a_b", Ordering::Equal),
            ("10", "9", Ordering::Greater),
        ] {
            assert_eq!(compare(a.as_bytes(), b.as_bytes()), order, "{a} {b}");
            assert_eq!(compare(b.as_bytes(), a.as_bytes()), order.reverse(), "{b} {a}");
        }
    }
}
