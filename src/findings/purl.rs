//! Package URLs as scanners write them and SBOMs want them.
//!
//! Source: <https://github.com/package-url/purl-spec/blob/main/PURL-SPECIFICATION.rst>.

use std::fmt::Write as _;

/// The value of a qualifier (`arch`) of a package URL, percent-decoded. `None` when the URL
/// has no such qualifier or its value is empty or not UTF-8.
#[must_use]
pub fn qualifier(purl: &str, key: &str) -> Option<String> {
    let without_subpath = purl.split('#').next().unwrap_or_default();
    let (_, qualifiers) = without_subpath.split_once('?')?;
    qualifiers
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .and_then(|(_, value)| decode(value))
        .filter(|value| !value.is_empty())
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// Percent-encodes one component of a package URL: everything but ASCII letters, digits,
/// `.`, `-`, `_`, `~` and the colon, which the specification leaves as it is.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualifiers_are_found_and_decoded() {
        for (purl, key, want) in [
            ("pkg:deb/debian/bash@5.0-4?arch=amd64&distro=debian-10.1", "arch", Some("amd64")),
            ("pkg:deb/debian/a@1?distro=x&arch=arm%36%34#sub", "arch", Some("arm64")),
            ("pkg:deb/debian/a@1", "arch", None),
            ("pkg:deb/debian/a@1?arch=", "arch", None),
            ("pkg:deb/debian/a@1?arch=%4", "arch", None),
            ("pkg:deb/debian/a@1?arch=%zz", "arch", None),
            ("pkg:deb/debian/a@1#x?arch=amd64", "arch", None),
        ] {
            assert_eq!(qualifier(purl, key).as_deref(), want, "{purl}");
        }
    }

    #[test]
    fn versions_are_encoded() {
        assert_eq!(encode("1:3.0.11-1~deb12u2+b1"), "1:3.0.11-1~deb12u2%2Bb1");
        assert_eq!(encode("a/b@c?d#e %"), "a%2Fb%40c%3Fd%23e%20%25");
    }
}
