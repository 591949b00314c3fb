//! What OpenSSL reads behind a certificate of what it is trusted for (p11-kit's
//! `trust/extract-openssl.c`).

use der::asn1::AnyRef;
use der::{Encode as _, Tag, TagNumber};

use super::certificate::{oid, purposes, sequence_of};
use super::selection::{Chosen, purpose};

/// The purposes that p11-kit knows by their last number, in its order: what a distrusted
/// certificate is rejected for.
const KNOWN: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8];

/// The trust of a certificate in DER.
///
/// # Errors
/// An attached extension is not what it says.
pub fn trust(one: &Chosen<'_>) -> der::Result<Vec<u8>> {
    let attached = |oid| one.attached.get(oid).map(|content| purposes(content)).transpose();
    let mut rejected = attached(oid::OPENSSL_REJECT)?;
    let accepted = if one.distrusted {
        rejected.get_or_insert_default().extend(KNOWN.iter().map(|last| purpose(*last)));
        None
    } else if one.trusted {
        attached(oid::EXTENDED_KEY_USAGE)?
    } else {
        Some(Vec::new())
    };
    let mut content = Vec::new();
    if let Some(accepted) = accepted {
        content.extend(sequence_of(Tag::Sequence, &accepted)?);
    }
    if let Some(rejected) = rejected {
        let tag = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
        content.extend(sequence_of(tag, &rejected)?);
    }
    if let Some(label) = one.label {
        content.extend(AnyRef::new(Tag::Utf8String, label)?.to_der()?);
    }
    if let Some(key) = one.attached.get(oid::SUBJECT_KEY_IDENTIFIER) {
        content.extend(AnyRef::new(Tag::OctetString, key)?.to_der()?);
    }
    AnyRef::new(Tag::Sequence, &content)?.to_der()
}
