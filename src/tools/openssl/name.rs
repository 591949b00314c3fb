//! The hash by which OpenSSL finds a certificate: of its subject's name in canonical form
//! (`X509_NAME_hash(3)`; RFC 5280 appendix A for the structure).

use der::{
    Decode as _, Encode as _, Reader, SliceReader, Tag, TagNumber, Tagged as _, asn1::AnyRef,
};
use sha1::{Digest as _, Sha1};

/// Attributes of one name, at most. Real ones have a dozen.
const MAX_ATTRIBUTES: usize = 10_000;

/// What a certificate or a revocation list is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub hash: u32,
    /// SHA-1 of the whole.
    pub fingerprint: [u8; 20],
}

/// Of a certificate, by its subject.
///
/// # Errors
/// It is not DER, or not a certificate.
pub fn of_certificate(der: &[u8]) -> der::Result<Identity> {
    let whole = first(der)?;
    let body = AnyRef::from_der(whole)?;
    let signed = inside(body, AnyRef::decode)?;
    let subject = inside(signed, |reader| {
        if reader.peek_tag()? == (Tag::ContextSpecific { constructed: true, number: TagNumber::N0 })
        {
            AnyRef::decode(reader)?;
        }
        // serial number, signature algorithm, issuer, validity
        for _ in 0..4 {
            AnyRef::decode(reader)?;
        }
        AnyRef::decode(reader)
    })?;
    identity(whole, subject)
}

/// Of a revocation list, by its issuer.
///
/// # Errors
/// It is not DER, or not a revocation list.
pub fn of_revocation_list(der: &[u8]) -> der::Result<Identity> {
    let whole = first(der)?;
    let body = AnyRef::from_der(whole)?;
    let signed = inside(body, AnyRef::decode)?;
    let issuer = inside(signed, |reader| {
        if reader.peek_tag()? == Tag::Integer {
            AnyRef::decode(reader)?;
        }
        AnyRef::decode(reader)?;
        AnyRef::decode(reader)
    })?;
    identity(whole, issuer)
}

fn identity(whole: &[u8], name: AnyRef<'_>) -> der::Result<Identity> {
    let digest = Sha1::digest(canonical(name)?);
    let [a, b, c, d, ..] = <[u8; 20]>::from(digest);
    let fingerprint = Sha1::digest(whole).into();
    Ok(Identity { hash: u32::from_le_bytes([a, b, c, d]), fingerprint })
}

/// The first element; what follows it is not looked at.
fn first(der: &[u8]) -> der::Result<&[u8]> {
    SliceReader::new(der)?.tlv_bytes()
}

/// Reads from the beginning of a sequence or set; the rest of it is not looked at.
fn inside<'a, T>(
    outer: AnyRef<'a>,
    read: impl FnOnce(&mut SliceReader<'a>) -> der::Result<T>,
) -> der::Result<T> {
    if !outer.tag().is_constructed() {
        return Err(outer.tag().value_error());
    }
    read(&mut SliceReader::new(outer.value())?)
}

fn elements(outer: AnyRef<'_>) -> der::Result<Vec<AnyRef<'_>>> {
    inside(outer, |reader| {
        let mut all = Vec::new();
        while !reader.is_finished() {
            if all.len() >= MAX_ATTRIBUTES {
                return Err(outer.tag().length_error());
            }
            all.push(AnyRef::decode(reader)?);
        }
        Ok(all)
    })
}

/// The relative names one after the other, without the sequence around them: texts in UTF-8
/// and lower case, with single blanks.
fn canonical(name: AnyRef<'_>) -> der::Result<Vec<u8>> {
    let mut out = Vec::new();
    for relative in elements(name)? {
        let mut attributes = Vec::new();
        for attribute in elements(relative)? {
            let [kind, value] = elements(attribute)?[..] else {
                return Err(attribute.tag().length_error());
            };
            let mut content = kind.to_der()?;
            content.extend(canonical_value(value)?);
            attributes.push(AnyRef::new(Tag::Sequence, &content)?.to_der()?);
        }
        attributes.sort();
        out.extend(AnyRef::new(Tag::Set, &attributes.concat())?.to_der()?);
    }
    Ok(out)
}

fn canonical_value(value: AnyRef<'_>) -> der::Result<Vec<u8>> {
    let tag = value.tag();
    let bytes = value.value();
    let number = bytes.len();
    let text = match tag {
        Tag::Utf8String => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Tag::PrintableString | Tag::TeletexString | Tag::Ia5String | Tag::VisibleString => {
            Some(bytes.iter().map(|&b| char::from(b)).collect())
        }
        Tag::BmpString if number.is_multiple_of(2) => bytes
            .chunks_exact(2)
            .map(|pair| char::from_u32(pair.iter().fold(0, |sum, &b| sum << 8 | u32::from(b))))
            .collect(),
        Tag::BmpString => None,
        // A UniversalString is not among the tags that the crate knows.
        _ => return value.to_der(),
    };
    let text = text.ok_or_else(|| tag.value_error())?;
    AnyRef::new(Tag::Utf8String, canonical_text(&text).as_bytes())?.to_der()
}

fn canonical_text(text: &str) -> String {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    let words = text.split(is_space).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").to_ascii_lowercase()
}
