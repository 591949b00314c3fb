//! A certificate as Java reads it from a file: the first PEM block.
//!
//! Java refuses some certificates (a curve that it does not know) that others take. Only those
//! that it surely takes are read: with a key of RSA, or of a curve that all its releases know.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::ByteSlice as _;
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// P-256, P-384 and P-521.
const CURVES: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
    ObjectIdentifier::new_unwrap("1.3.132.0.34"),
    ObjectIdentifier::new_unwrap("1.3.132.0.35"),
];

/// The certificate in DER; `None` when it is not sure that Java takes it.
#[must_use]
pub fn read(file: &[u8]) -> Option<Vec<u8>> {
    let block = file.strip_prefix(BEGIN)?;
    let block = block.get(..block.find(END)?)?;
    let block: Vec<u8> = block.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(block).ok()?;
    is_common(&der).ok()?.then_some(der)
}

/// RFC 5280: a sequence of the signed part, its algorithm and the signature.
fn is_common(der: &[u8]) -> der::Result<bool> {
    let whole = AnyRef::from_der(der)?;
    if whole.tag() != Tag::Sequence {
        return Ok(false);
    }
    let signed = AnyRef::decode(&mut SliceReader::new(whole.value())?)?;
    let mut parts = SliceReader::new(signed.value())?;
    if parts.peek_tag()? == (Tag::ContextSpecific { constructed: true, number: TagNumber::N0 }) {
        AnyRef::decode(&mut parts)?;
    }
    // serial number, signature algorithm, issuer, validity, subject
    for _ in 0..5 {
        AnyRef::decode(&mut parts)?;
    }
    let key = AnyRef::decode(&mut parts)?;
    let algorithm = AnyRef::decode(&mut SliceReader::new(key.value())?)?;
    let mut algorithm = SliceReader::new(algorithm.value())?;
    Ok(match ObjectIdentifier::decode(&mut algorithm)? {
        RSA => true,
        ELLIPTIC_CURVE => CURVES.contains(&ObjectIdentifier::decode(&mut algorithm)?),
        _ => false,
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:CURVE -subj /CN=t`.
    pub const P256: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBbzCCARWgAwIBAgIUCzlVu1UJ7FHwsn1fPS13zb8dJCkwCgYIKoZIzj0EAwIw\n\
        DDEKMAgGA1UEAwwBdDAgFw0yNjExMjQwOTM4MDBaGA8yMTI2MTAzMTA5MzgwMFow\n\
        DDEKMAgGA1UEAwwBdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJDASwx0YPb/\n\
        8MtIJ0/5sOhgN96dRVXXUQY1URW43wM785WoRS4h3ddMdcsH2zH59theEyDFyfl5\n\
        m229dVCIMRWjUzBRMB0GA1UdDgQWBBSyQzk08IT3ndNid6XWUvbr0O2doTAfBgNV\n\
        HSMEGDAWgBSyQzk08IT3ndNid6XWUvbr0O2doTAPBgNVHRMBAf8EBTADAQH/MAoG\n\
        CCqGSM49BAMCA0gAMEUCIQDy13y3JvflwnutHmMVBKnFa7KlH+uhre2r08nUfIPI\n\
        gQIgIf1ndp2+Chmph3DeMelpjpzmAfcpBxXx/+NAmddEKfM=\n\
        -----END CERTIFICATE-----\n";
    const SECP256K1: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBbDCCARKgAwIBAgIUJPbrVIUCDJ39n7ZevLWodCZokxQwCgYIKoZIzj0EAwIw\n\
        DDEKMAgGA1UEAwwBdDAgFw0yNjExMjQwOTM4MDBaGA8yMTI2MTAzMTA5MzgwMFow\n\
        DDEKMAgGA1UEAwwBdDBWMBAGByqGSM49AgEGBSuBBAAKA0IABMVczjJI2AhqIFjo\n\
        u1ZQSDIbO4vg9LhQ/7JJNTHsrhIAkDUA5iH7u0u+eQYfShD2RHqcV4b2581UKs3f\n\
        5ABTlMGjUzBRMB0GA1UdDgQWBBSjc0TRBqFaCihOwAbEvHiF7pEAWDAfBgNVHSME\n\
        GDAWgBSjc0TRBqFaCihOwAbEvHiF7pEAWDAPBgNVHRMBAf8EBTADAQH/MAoGCCqG\n\
        SM49BAMCA0gAMEUCIGuqKb3JXt5dqg1uCBdK5jtXYz8AuKCqKxRm4xJagXkzAiEA\n\
        /mEf2om2A03fU9eXl2SpiglfGQoS3Dq9iQaVzZeO9/Q=\n\
        -----END CERTIFICATE-----\n";

    #[test]
    fn certificates_of_common_keys_are_read() {
        let der = read(P256.as_bytes()).unwrap();
        assert_eq!(der.first(), Some(&0x30));
        assert_eq!(read(SECP256K1.as_bytes()), None);
        assert_eq!(read(b"text before\n-----BEGIN CERTIFICATE-----"), None);
        assert_eq!(read(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"), None);
    }
}
