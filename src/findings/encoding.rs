//! The text of a report in whatever it is wrapped: gzip, UTF-16 as some shells write it, a byte
//! order mark. In come the bytes of a file; out goes UTF-8, of no more than the largest report.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use super::FindingsError;
use super::report::MAX_REPORT;

const GZIP: &[u8] = &[0x1f, 0x8b];

/// The text in `bytes`, which keep their place when nothing is to be unwrapped.
pub(super) fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, FindingsError> {
    bounded_text(name, bytes, MAX_REPORT)
}

fn bounded_text<'a>(
    name: &str,
    bytes: &'a [u8],
    limit: u64,
) -> Result<Cow<'a, [u8]>, FindingsError> {
    let too_large = |size: u64| FindingsError::TooLarge { name: name.to_owned(), size };
    let size = bytes.len() as u64;
    if size > limit {
        return Err(too_large(size));
    }
    let bytes = if bytes.starts_with(GZIP) {
        Cow::Owned(unpacked(name, bytes, limit)?)
    } else {
        Cow::Borrowed(bytes)
    };
    let utf16: Option<fn([u8; 2]) -> u16> = match bytes.get(..2) {
        Some([0xff, 0xfe]) => Some(u16::from_le_bytes),
        Some([0xfe, 0xff]) => Some(u16::from_be_bytes),
        _ => None,
    };
    let Some(unit) = utf16 else {
        return Ok(match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.strip_prefix(BOM).unwrap_or(bytes)),
            Cow::Owned(bytes) => match bytes.strip_prefix(BOM) {
                Some(rest) => Cow::Owned(rest.to_vec()),
                None => Cow::Owned(bytes),
            },
        });
    };
    let pairs = bytes.get(2..).unwrap_or_default();
    let broken = || FindingsError::Utf16 { name: name.to_owned() };
    let (units, rest) = pairs.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(broken());
    }
    let text: String = char::decode_utf16(units.iter().map(|pair| unit(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|_| broken())?;
    let size = text.len() as u64;
    if size > limit { Err(too_large(size)) } else { Ok(Cow::Owned(text.into_bytes())) }
}

/// The byte order mark in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

fn unpacked(name: &str, bytes: &[u8], limit: u64) -> Result<Vec<u8>, FindingsError> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(limit.saturating_add(1))
        .read_to_end(&mut out)
        .map_err(|error| FindingsError::Gzip { name: name.to_owned(), why: error.to_string() })?;
    match out.len() as u64 {
        size if size > limit => Err(FindingsError::TooLarge { name: name.to_owned(), size }),
        _ => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn every_wrapping_gives_the_same_text() {
        let want = "{\"a\": \"\u{e4}\u{1f980}\"}";
        let le = utf16(want, u16::to_le_bytes);
        for wrapped in [
            want.as_bytes().to_vec(),
            [BOM, want.as_bytes()].concat(),
            le.clone(),
            utf16(want, u16::to_be_bytes),
            gzip(want.as_bytes()),
            gzip(&[BOM, want.as_bytes()].concat()),
            gzip(&le),
            [gzip(&want.as_bytes()[..4]), gzip(&want.as_bytes()[4..])].concat(),
        ] {
            assert_eq!(text("r", &wrapped).unwrap(), want.as_bytes(), "{wrapped:?}");
        }
    }

    #[test]
    fn what_unpacks_to_too_much_or_badly_is_an_error() {
        let bomb = gzip(&vec![b' '; 100_000]);
        assert!(bomb.len() < 1000);
        let small = |bytes: &[u8]| bounded_text("r", bytes, 10_000).unwrap_err().to_string();
        assert!(small(&bomb).starts_with("r: 10001 bytes is more than"), "{}", small(&bomb));
        assert!(small(&utf16(&"\u{ffff}".repeat(4900), u16::to_le_bytes)).contains("14700 bytes"));
        for (bytes, want) in [
            (&bomb[..20], "r: the gzip stream is broken ("),
            (&[0x1f, 0x8b][..], "r: the gzip stream is broken ("),
            (&b"\xff\xfea\0b"[..], "r: text that is broken UTF-16"),
            (&b"\xfe\xff\xd8\x00"[..], "r: text that is broken UTF-16"),
        ] {
            let error = small(bytes);
            assert!(error.starts_with(want), "{error}");
        }
    }
}
