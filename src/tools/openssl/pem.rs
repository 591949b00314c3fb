//! What a PEM file holds, as `openssl rehash` counts it (`PEM_X509_INFO_read_bio(3)`,
//! RFC 7468).

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// A certificate or a revocation list in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    Certificate(Vec<u8>),
    RevocationList(Vec<u8>),
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    One(Object),
    /// Nothing, several, or a key alone.
    NotOne,
    /// A block that cannot be decoded.
    Damaged,
}

/// What may stand together: a certificate with its revocation list and its key count as one.
#[derive(Default)]
struct Set {
    certificate: Option<Vec<u8>>,
    list: Option<Vec<u8>>,
    has_key: bool,
}

impl Set {
    fn is_empty(&self) -> bool {
        self.certificate.is_none() && self.list.is_none() && !self.has_key
    }
}

/// Reads a file.
#[must_use]
pub fn read(text: &[u8]) -> Content {
    let mut complete = 0;
    let mut set = Set::default();
    let mut lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end);
    while let Some(line) = lines.next() {
        let Some(label) = label(line, b"-----BEGIN ") else { continue };
        let Some(block) = block(label, &mut lines) else { return Content::Damaged };
        match label {
            b"CERTIFICATE" | b"X509 CERTIFICATE" | b"TRUSTED CERTIFICATE" => {
                complete += usize::from(set.certificate.is_some());
                if set.certificate.is_some() {
                    set = Set::default();
                }
                set.certificate = Some(block);
            }
            b"X509 CRL" => {
                complete += usize::from(set.list.is_some());
                if set.list.is_some() {
                    set = Set::default();
                }
                set.list = Some(block);
            }
            label if label.ends_with(b"PRIVATE KEY") => {
                complete += usize::from(set.has_key);
                if set.has_key {
                    set = Set::default();
                }
                set.has_key = true;
            }
            _ => {}
        }
    }
    if complete > 0 || set.is_empty() {
        return Content::NotOne;
    }
    match set {
        Set { certificate: Some(certificate), .. } => {
            Content::One(Object::Certificate(certificate))
        }
        Set { list: Some(list), .. } => Content::One(Object::RevocationList(list)),
        _ => Content::NotOne,
    }
}

fn label<'a>(line: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(start)?.strip_suffix(b"-----")
}

/// The decoded lines up to the end of a block; `None` when it does not end or is damaged.
fn block<'a>(name: &[u8], lines: &mut impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut encoded = Vec::new();
    for line in lines {
        if let Some(end) = label(line, b"-----END ") {
            let config = GeneralPurposeConfig::new()
                .with_decode_padding_mode(DecodePaddingMode::Indifferent);
            return (end == name)
                .then(|| GeneralPurpose::new(&STANDARD, config).decode(&encoded).ok())?;
        }
        if line.contains(&b':') {
            // a header of an encrypted key: what it is does not matter
            encoded.clear();
            continue;
        }
        encoded.extend(line.iter().filter(|b| !b.is_ascii_whitespace()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(labels: &[&str]) -> Vec<u8> {
        let block = |label: &&str| {
            format!("text\n-----BEGIN {label}-----\nAQID\r\nBA==\n-----END {label}-----\n")
        };
        labels.iter().map(block).collect::<String>().into_bytes()
    }

    #[test]
    fn what_stands_together_counts_as_one() {
        let certificate = Content::One(Object::Certificate(vec![1, 2, 3, 4]));
        let list = Content::One(Object::RevocationList(vec![1, 2, 3, 4]));
        for (labels, want) in [
            (&["CERTIFICATE"][..], &certificate),
            (&["PRIVATE KEY", "CERTIFICATE"], &certificate),
            (&["CERTIFICATE", "X509 CRL"], &certificate),
            (&["X509 CRL"], &list),
            (&["DH PARAMETERS", "TRUSTED CERTIFICATE"], &certificate),
            (&["CERTIFICATE", "CERTIFICATE"], &Content::NotOne),
            (&["RSA PRIVATE KEY"], &Content::NotOne),
            (&[], &Content::NotOne),
        ] {
            assert_eq!(&read(&file(labels)), want, "{labels:?}");
        }
        assert_eq!(read(b"-----BEGIN CERTIFICATE-----\nAQ==\n"), Content::Damaged);
        assert_eq!(read(b"-----BEGIN X-----\n?\n-----END X-----\n"), Content::Damaged);
    }
}
