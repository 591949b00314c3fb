//! What p11-kit reads of a certificate in DER (RFC 5280), and of extensions that are attached to
//! one in a file of their own.

use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, Reader, SliceReader, Tag, TagNumber, Tagged as _};

/// Elements of one sequence, at most. Real ones have a dozen.
const MAX_ELEMENTS: usize = 10_000;

/// Object identifiers, their content in DER.
pub mod oid {
    pub const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 14];
    pub const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
    pub const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 37, 0];
    /// 1.3.6.1.4.1.3319.6.10.1: p11-kit's extension with the purposes that OpenSSL rejects.
    pub const OPENSSL_REJECT: &[u8] = &[0x2b, 6, 1, 4, 1, 0x99, 0x77, 6, 10, 1];
    /// 1.3.6.1.4.1.3319.6.10.16: what p11-kit puts where there is no purpose.
    pub const RESERVED_PURPOSE: &[u8] = &[0x2b, 6, 1, 4, 1, 0x99, 0x77, 6, 10, 16];
    pub const COMMON_NAME: &[u8] = &[0x55, 4, 3];
    pub const ORGANIZATION: &[u8] = &[0x55, 4, 10];
    pub const ORGANIZATIONAL_UNIT: &[u8] = &[0x55, 4, 11];
}

/// The parts of a certificate, each as it stands in it, tag and length included.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    pub serial: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    pub public_key: &'a [u8],
    extensions: Option<&'a [u8]>,
    is_first_version: bool,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate and nothing behind it.
    ///
    /// # Errors
    /// It is not a certificate, or not in DER.
    pub fn read(der: &'a [u8]) -> der::Result<Self> {
        let [body, _, signature] = elements(AnyRef::from_der(der)?)?[..] else {
            return Err(Tag::Sequence.length_error());
        };
        signature.tag().assert_eq(Tag::BitString)?;
        body.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(body.value())?;
        let version = context(&mut reader, TagNumber::N0)?;
        let serial = element(&mut reader, Tag::Integer)?;
        element(&mut reader, Tag::Sequence)?;
        let issuer = element(&mut reader, Tag::Sequence)?;
        element(&mut reader, Tag::Sequence)?;
        let subject = element(&mut reader, Tag::Sequence)?;
        let public_key = element(&mut reader, Tag::Sequence)?;
        for number in [TagNumber::N1, TagNumber::N2] {
            identifier(&mut reader, number)?;
        }
        let extensions = context(&mut reader, TagNumber::N3)?;
        if !reader.is_finished() {
            return Err(Tag::Sequence.length_error());
        }
        let is_first_version = version.is_none_or(|version| version == [2, 1, 0]);
        let certificate =
            Self { serial, issuer, subject, public_key, extensions, is_first_version };
        certificate.extensions()?;
        Ok(certificate)
    }

    /// The content of one of its extensions.
    #[must_use]
    pub fn extension(&self, oid: &[u8]) -> Option<&'a [u8]> {
        let all = self.extensions().ok()?;
        all.into_iter().find(|extension| extension.oid == oid).map(|extension| extension.content)
    }

    fn extensions(&self) -> der::Result<Vec<Extension<'a>>> {
        let Some(list) = self.extensions else { return Ok(Vec::new()) };
        elements(AnyRef::from_der(list)?)?.into_iter().map(Extension::of).collect()
    }

    /// Whether it says nothing of authorities, since it is of the first version, and is its own
    /// issuer.
    #[must_use]
    pub fn is_old_root(&self) -> bool {
        self.is_first_version && self.subject == self.issuer
    }
}

/// An extension.
#[derive(Debug, Clone, Copy)]
pub struct Extension<'a> {
    /// The content of its object identifier.
    pub oid: &'a [u8],
    /// What is inside its octet string.
    pub content: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Reads one by itself.
    ///
    /// # Errors
    /// It is not one, or not in DER.
    pub fn read(der: &'a [u8]) -> der::Result<Self> {
        Self::of(AnyRef::from_der(der)?)
    }

    fn of(whole: AnyRef<'a>) -> der::Result<Self> {
        let parts = elements(whole)?;
        let (oid, content) = match parts[..] {
            [oid, content] => (oid, content),
            [oid, critical, content] => {
                critical.tag().assert_eq(Tag::Boolean)?;
                (oid, content)
            }
            _ => return Err(Tag::Sequence.length_error()),
        };
        oid.tag().assert_eq(Tag::ObjectIdentifier)?;
        content.tag().assert_eq(Tag::OctetString)?;
        Ok(Self { oid: oid.value(), content: content.value() })
    }
}

/// Whether the content of a basic-constraints extension says that it is an authority.
///
/// # Errors
/// It is not one.
pub fn is_authority(content: &[u8]) -> der::Result<bool> {
    let parts = elements(AnyRef::from_der(content)?)?;
    let first = parts.first().filter(|part| part.tag() == Tag::Boolean);
    Ok(first.is_some_and(|part| part.value() != [0]))
}

/// The purposes of an extended-key-usage extension, contents of object identifiers; what p11-kit
/// has for none is left out.
///
/// # Errors
/// It is not one.
pub fn purposes(content: &[u8]) -> der::Result<Vec<Vec<u8>>> {
    let all = oids(AnyRef::from_der(content)?)?;
    Ok(all.into_iter().filter(|purpose| purpose != oid::RESERVED_PURPOSE).collect())
}

/// Object identifiers of a sequence, whatever its tag.
///
/// # Errors
/// It has something else.
pub fn oids(list: AnyRef<'_>) -> der::Result<Vec<Vec<u8>>> {
    let each = elements(list)?.into_iter().map(|element| {
        element.tag().assert_eq(Tag::ObjectIdentifier)?;
        Ok(element.value().to_vec())
    });
    each.collect()
}

/// A sequence of object identifiers.
///
/// # Errors
/// It is longer than DER can say.
pub fn sequence_of(tag: Tag, oids: &[Vec<u8>]) -> der::Result<Vec<u8>> {
    let mut content = Vec::new();
    for oid in oids {
        content.extend(AnyRef::new(Tag::ObjectIdentifier, oid)?.to_der()?);
    }
    AnyRef::new(tag, &content)?.to_der()
}

/// The elements inside a sequence or set.
///
/// # Errors
/// It is neither, or they are not in DER.
pub fn elements(outer: AnyRef<'_>) -> der::Result<Vec<AnyRef<'_>>> {
    if !outer.tag().is_constructed() {
        return Err(outer.tag().value_error());
    }
    let mut reader = SliceReader::new(outer.value())?;
    let mut all = Vec::new();
    while !reader.is_finished() {
        if all.len() >= MAX_ELEMENTS {
            return Err(outer.tag().length_error());
        }
        all.push(AnyRef::decode(&mut reader)?);
    }
    Ok(all)
}

/// The next element whole.
fn element<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> der::Result<&'a [u8]> {
    reader.peek_tag()?.assert_eq(tag)?;
    reader.tlv_bytes()
}

/// What is inside an explicit tag, when the next element has it.
fn context<'a>(reader: &mut SliceReader<'a>, number: TagNumber) -> der::Result<Option<&'a [u8]>> {
    let tag = Tag::ContextSpecific { constructed: true, number };
    match reader.is_finished() || reader.peek_tag()? != tag {
        true => Ok(None),
        false => AnyRef::decode(reader).map(|element| Some(element.value())),
    }
}

/// Passes over a unique identifier.
fn identifier(reader: &mut SliceReader<'_>, number: TagNumber) -> der::Result<()> {
    let tag = Tag::ContextSpecific { constructed: false, number };
    if !reader.is_finished() && reader.peek_tag()? == tag {
        AnyRef::decode(reader)?;
    }
    Ok(())
}
