//! Names of certificates as p11-kit uses them: what a certificate is called, and the two hashes of
//! its subject by which OpenSSL finds it (p11-kit's `trust/x509.c` and `trust/extract-openssl.c`).

use bstr::ByteSlice as _;
use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, Length, SliceReader, Tag, Tagged as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;

use super::certificate::{elements, oid};
use super::pem::is_space;

/// One attribute of a name.
struct Attribute<'a> {
    /// The content of its object identifier.
    oid: &'a [u8],
    /// Its value, tag and length included.
    value: &'a [u8],
}

/// What a certificate is called when nobody named it: its common name, its unit or its
/// organization. Of several, the first counts (p11-kit up to 0.25; the last since 0.26).
///
/// # Errors
/// The name is not in DER.
pub fn title(subject: &[u8]) -> der::Result<Option<Vec<u8>>> {
    let relative = relative_names(subject)?;
    for wanted in [oid::COMMON_NAME, oid::ORGANIZATIONAL_UNIT, oid::ORGANIZATION] {
        let mut all = relative.iter().flatten();
        if let Some(found) = all.find(|attribute| attribute.oid == wanted)
            && let Text::Of(text) = text(found.value)?
        {
            let length = text.find_byte(0).unwrap_or(text.len());
            return Ok(Some(text.get(..length).unwrap_or_default().to_vec()));
        }
    }
    Ok(None)
}

/// The hash of OpenSSL 1.0 and later, of the canonical name; `None` when it has a text that is none.
///
/// # Errors
/// The name is not in DER.
pub fn hash(subject: &[u8]) -> der::Result<Option<u32>> {
    let mut canonical = Vec::new();
    for relative in relative_names(subject)? {
        let mut attributes = Vec::new();
        for attribute in relative {
            let mut content = AnyRef::new(Tag::ObjectIdentifier, attribute.oid)?.to_der()?;
            match text(attribute.value)? {
                Text::Other => content.extend_from_slice(attribute.value),
                Text::Damaged => return Ok(None),
                Text::Of(text) => {
                    content.extend(AnyRef::new(Tag::Utf8String, &plain(&text))?.to_der()?);
                }
            }
            attributes.push(AnyRef::new(Tag::Sequence, &content)?.to_der()?);
        }
        attributes.sort();
        canonical.extend(AnyRef::new(Tag::Set, &attributes.concat())?.to_der()?);
    }
    let [a, b, c, d, ..] = <[u8; 20]>::from(Sha1::digest(canonical));
    Ok(Some(u32::from_le_bytes([a, b, c, d])))
}

/// The hash of OpenSSL before 1.0.
#[must_use]
pub fn old_hash(subject: &[u8]) -> u32 {
    let [a, b, c, d, ..] = <[u8; 16]>::from(Md5::digest(subject));
    u32::from_le_bytes([a, b, c, d])
}

fn relative_names(name: &[u8]) -> der::Result<Vec<Vec<Attribute<'_>>>> {
    let each = elements(AnyRef::from_der(name)?)?.into_iter().map(|relative| {
        elements(relative)?.into_iter().map(attribute).collect::<der::Result<Vec<_>>>()
    });
    each.collect()
}

fn attribute(whole: AnyRef<'_>) -> der::Result<Attribute<'_>> {
    let content = whole.value();
    let mut reader = SliceReader::new(content)?;
    let oid = AnyRef::decode(&mut reader)?;
    oid.tag().assert_eq(Tag::ObjectIdentifier)?;
    // Tag and length of an identifier are two bytes as long as it is shorter than 128.
    let value = content.get(oid.value().len() + 2..).unwrap_or_default();
    Ok(Attribute { oid: oid.value(), value })
}

/// What a value of a name is.
enum Text {
    Of(Vec<u8>),
    /// It says that it is a text, and its encoding is wrong.
    Damaged,
    /// No text.
    Other,
}

fn text(value: &[u8]) -> der::Result<Text> {
    // Not all of these tags are known to the crate.
    let Some((&tag, rest)) = value.split_first() else { return Ok(Text::Damaged) };
    let mut reader = SliceReader::new(rest)?;
    let length = usize::try_from(Length::decode(&mut reader)?)?;
    let content = rest.len().checked_sub(length).and_then(|start| rest.get(start..));
    let content = content.unwrap_or_default();
    let is_text = |text: &[u8]| std::str::from_utf8(text).is_ok();
    let wide = |width: usize| {
        let chunks = content.chunks(width);
        let points = chunks.map(|chunk| match chunk.len() == width {
            true => char::from_u32(chunk.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte))),
            false => None,
        });
        points.collect::<Option<String>>().map_or(Text::Damaged, |text| Text::Of(text.into()))
    };
    Ok(match tag {
        12 | 18 | 19 | 20 | 22 if is_text(content) => Text::Of(content.to_vec()),
        12 | 18 | 19 | 20 | 22 => Text::Damaged,
        28 => wide(4),
        30 => wide(2),
        _ => Text::Other,
    })
}

/// Lower case, and single blanks between words.
fn plain(text: &[u8]) -> Vec<u8> {
    let words = text.split(|byte| is_space(*byte)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ').to_ascii_lowercase()
}
