//! OpenSSL's `TRUSTED CERTIFICATE`: a certificate with what it is trusted for behind it
//! (`X509_CERT_AUX`), as p11-kit makes objects of it.

use der::asn1::AnyRef;
use der::{Decode as _, Encode as _, SliceReader, Tag, TagNumber, Tagged as _};

use super::certificate::{Certificate, elements, oid, oids, sequence_of};
use super::sources::{Class, Object};

/// The objects of a block: extensions that are attached to the key, then the certificate.
///
/// # Errors
/// It is not in DER.
pub fn read(block: &[u8]) -> der::Result<Vec<Object>> {
    let der = SliceReader::new(block).and_then(|mut reader| der::Reader::tlv_bytes(&mut reader))?;
    let certificate = Certificate::read(der)?;
    let mut object = Object::certificate(der);
    let behind = block.get(der.len()..).unwrap_or_default();
    if behind.is_empty() {
        return Ok(vec![object]);
    }
    let trust = Trust::read(behind)?;
    object.label = trust.alias;
    let rejected = trust.rejected.unwrap_or_default();
    let accepted: Vec<Vec<u8>> =
        trust.accepted.into_iter().filter(|purpose| !rejected.contains(purpose)).collect();
    object.trusted = Some(!accepted.is_empty());
    object.distrusted = Some(accepted.is_empty());

    let attached = |oid: &[u8], content: &[u8]| extension(certificate.public_key, oid, content);
    let mut objects = vec![attached(oid::EXTENDED_KEY_USAGE, &usage(accepted)?)?];
    if !rejected.is_empty() {
        objects.push(attached(oid::OPENSSL_REJECT, &usage(rejected)?)?);
    }
    if let Some(key) = trust.key_identifier {
        objects.push(attached(oid::SUBJECT_KEY_IDENTIFIER, &key)?);
    }
    objects.push(object);
    Ok(objects)
}

/// What is behind a certificate.
#[derive(Default)]
struct Trust {
    accepted: Vec<Vec<u8>>,
    rejected: Option<Vec<Vec<u8>>>,
    alias: Option<Vec<u8>>,
    /// Tag and length included.
    key_identifier: Option<Vec<u8>>,
}

impl Trust {
    fn read(der: &[u8]) -> der::Result<Self> {
        let mut trust = Self::default();
        for part in elements(AnyRef::from_der(der)?)? {
            match part.tag() {
                Tag::Sequence => trust.accepted = oids(part)?,
                Tag::ContextSpecific { number: TagNumber::N0, .. } => {
                    trust.rejected = Some(oids(part)?);
                }
                Tag::Utf8String => trust.alias = Some(part.value().to_vec()),
                Tag::OctetString => trust.key_identifier = Some(part.to_der()?),
                Tag::ContextSpecific { number: TagNumber::N1, .. } => {}
                tag => return Err(tag.value_error()),
            }
        }
        Ok(trust)
    }
}

/// An extended-key-usage extension's content. No purpose is a purpose of p11-kit's own, since the
/// list may not be empty.
fn usage(mut purposes: Vec<Vec<u8>>) -> der::Result<Vec<u8>> {
    purposes = in_order(purposes);
    if purposes.is_empty() {
        purposes.push(oid::RESERVED_PURPOSE.to_vec());
    }
    sequence_of(Tag::Sequence, &purposes)
}

fn extension(public_key: &[u8], oid: &[u8], content: &[u8]) -> der::Result<Object> {
    let mut value = AnyRef::new(Tag::ObjectIdentifier, oid)?.to_der()?;
    value.extend(AnyRef::new(Tag::OctetString, content)?.to_der()?);
    Ok(Object {
        class: Some(Class::Extension),
        public_key: Some(public_key.to_vec()),
        value: Some(AnyRef::new(Tag::Sequence, &value)?.to_der()?),
        ..Object::default()
    })
}

/// The number of buckets that a dictionary of p11-kit begins with.
const BUCKETS: usize = 9;

/// Purposes in the order in which p11-kit goes through a dictionary that has them, which is seen in
/// what it writes: by buckets, and in one bucket in the order in which they came.
fn in_order(purposes: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut buckets: Vec<Vec<(usize, Vec<u8>)>> = vec![Vec::new(); BUCKETS];
    let mut count = 0;
    for purpose in purposes {
        let hash = hash(dotted(&purpose).as_bytes()) as usize;
        let number = buckets.len();
        let Some(bucket) = buckets.get_mut(hash % number) else { continue };
        if bucket.iter().any(|(_, other)| *other == purpose) {
            continue;
        }
        bucket.push((hash, purpose));
        count += 1;
        if count > number {
            let number = number * 2 + 1;
            let mut larger: Vec<Vec<(usize, Vec<u8>)>> = vec![Vec::new(); number];
            for entry in buckets.into_iter().flatten() {
                if let Some(bucket) = larger.get_mut(entry.0 % number) {
                    bucket.insert(0, entry);
                }
            }
            buckets = larger;
        }
    }
    buckets.into_iter().flatten().map(|(_, purpose)| purpose).collect()
}

/// An object identifier as people write it.
fn dotted(content: &[u8]) -> String {
    let mut numbers: Vec<u128> = Vec::new();
    let mut number: u128 = 0;
    for byte in content {
        number = number << 7 | u128::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    if let Some(first) = numbers.first().copied() {
        let root = (first / 40).min(2);
        numbers.splice(..1, [root, first - root * 40]);
    }
    numbers.iter().map(u128::to_string).collect::<Vec<_>>().join(".")
}

/// The hash of p11-kit's dictionaries: MurmurHash3 of 32 bits, with the seed 42.
fn hash(text: &[u8]) -> u32 {
    let mixed =
        |block: u32| block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
    let mut blocks = text.chunks_exact(4);
    let mut hash: u32 = 42;
    for block in blocks.by_ref() {
        hash ^= mixed(number(block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = blocks.remainder();
    if !tail.is_empty() {
        hash ^= mixed(number(tail));
    }
    // Of the length, only what did not fill a block counts there.
    hash ^= tail.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}
