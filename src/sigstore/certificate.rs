//! The certificate of a signer: a key that lived for minutes, and who held it.
//!
//! In comes DER; out come the key, the chain to an authority of a [`TrustRoot`] at a time, and
//! what the authority wrote of the holder: the subject's other name, and Fulcio's extensions
//! (<https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>). The path to the authority is
//! `rustls-webpki`'s matter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use p256::ecdsa::VerifyingKey;
use p256::pkcs8::DecodePublicKey as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{KeyUsage as Uses, SubjectAltName};

use crate::error::SigstoreError;
use crate::trust_root::{Authority, TrustRoot};

/// The largest certificate that is read, in bytes.
const MAX_CERTIFICATE: usize = 64 << 10;

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// What Fulcio's extensions begin with.
const FULCIO: &str = "1.3.6.1.4.1.57264.1.";

/// To sign code: 1.3.6.1.5.5.7.3.3.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// Something that an authority says of a holder, by the last number of its extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim(pub u32);

impl Claim {
    /// Who told the authority: `https://token.actions.githubusercontent.com`.
    pub const ISSUER: Self = Self(8);
    /// What ran the build, with its version.
    pub const BUILD_SIGNER: Self = Self(9);
    /// Where the sources are: `https://github.com/OWNER/NAME`.
    pub const SOURCE_REPOSITORY: Self = Self(12);
    /// Which commit of them.
    pub const SOURCE_DIGEST: Self = Self(13);
    /// Which branch or tag of them.
    pub const SOURCE_REF: Self = Self(14);
    /// Which file said how to build, with its version.
    pub const BUILD_CONFIG: Self = Self(18);

    /// Those that are texts of ASN.1.
    const TEXTS: std::ops::RangeInclusive<u32> = 8..=24;
}

/// Who held a certificate, as its authority says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// A URL of a workflow, or an address of mail.
    pub name: String,
    claims: BTreeMap<Claim, String>,
}

impl Identity {
    /// What is said of the holder.
    #[must_use]
    pub fn claim(&self, claim: Claim) -> Option<&str> {
        self.claims.get(&claim).map(String::as_str)
    }
}

/// A signer's certificate.
pub(crate) struct Leaf {
    der: CertificateDer<'static>,
    pub(crate) certificate: Certificate,
    pub(crate) key: VerifyingKey,
}

fn unread(why: impl std::fmt::Display) -> SigstoreError {
    SigstoreError::Certificate(why.to_string())
}

impl Leaf {
    pub(crate) fn read(der: &[u8]) -> Result<Self, SigstoreError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(unread(format!("it has more than {MAX_CERTIFICATE} bytes")));
        }
        let certificate = Certificate::from_der(der).map_err(unread)?;
        let key = &certificate.tbs_certificate.subject_public_key_info;
        let key = key.to_der().map_err(unread)?;
        let key = VerifyingKey::from_public_key_der(&key);
        let key = key.map_err(|_| unread("its key is none of P-256"))?;
        let mut seen = BTreeSet::new();
        let found = certificate.tbs_certificate.extensions.iter().flatten();
        for extension in found {
            if !seen.insert(extension.extn_id) {
                return Err(unread(format!("it has {} twice", extension.extn_id)));
            }
        }
        Ok(Self { der: CertificateDer::from(der.to_vec()), certificate, key })
    }

    pub(crate) fn extensions(&self) -> impl Iterator<Item = &Extension> {
        self.certificate.tbs_certificate.extensions.iter().flatten()
    }

    fn extension(&self, id: ObjectIdentifier) -> Option<&[u8]> {
        let found = self.extensions().find(|one| one.extn_id == id)?;
        Some(found.extn_value.as_bytes())
    }

    /// The key of who issued it (`SubjectPublicKeyInfo`): an authority that counts at a time, at
    /// which the certificate is in force, for signing.
    pub(crate) fn issuer_key(&self, root: &TrustRoot, at: i64) -> Result<Vec<u8>, SigstoreError> {
        let validity = &self.certificate.tbs_certificate.validity;
        let seconds = |time: &x509_cert::time::Time| time.to_unix_duration().as_secs();
        let now = u64::try_from(at).unwrap_or_default();
        if !(seconds(&validity.not_before)..=seconds(&validity.not_after)).contains(&now) {
            return Err(SigstoreError::OutOfForce(shown(at)));
        }
        let uses = self.extension(KEY_USAGE).map(Uses::from_der).transpose().map_err(unread)?;
        if !uses.is_some_and(|uses| uses.digital_signature()) {
            return Err(SigstoreError::Authority("it is not for signatures".to_owned()));
        }
        let mut why = format!("none counts at {}", shown(at));
        for authority in root.authorities.iter().filter(|one| one.period.has(at)) {
            match self.issued_by(authority, now) {
                Ok(key) => return Ok(key),
                Err(error) => why = error.to_string(),
            }
        }
        Err(SigstoreError::Authority(why))
    }

    fn issued_by(&self, authority: &Authority, now: u64) -> Result<Vec<u8>, webpki::Error> {
        let anchor = [webpki::anchor_from_trusted_cert(&authority.anchor)?];
        let leaf = EndEntityCert::try_from(&self.der)?;
        let path = leaf.verify_for_usage(
            &[
                webpki::ring::ECDSA_P256_SHA256,
                webpki::ring::ECDSA_P256_SHA384,
                webpki::ring::ECDSA_P384_SHA256,
                webpki::ring::ECDSA_P384_SHA384,
            ],
            &anchor,
            &authority.intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(now)),
            KeyUsage::required(CODE_SIGNING),
            None,
            None,
        )?;
        Ok(path.issuer_spki().as_ref().to_vec())
    }

    /// Who held it.
    pub(crate) fn identity(&self) -> Result<Identity, SigstoreError> {
        let names = self.extension(OTHER_NAME).ok_or_else(|| unread("it names nobody"))?;
        let SubjectAltName(names) = SubjectAltName::from_der(names).map_err(unread)?;
        let name = match names.as_slice() {
            [GeneralName::UniformResourceIdentifier(name) | GeneralName::Rfc822Name(name)] => {
                name.to_string()
            }
            _ => return Err(unread("it does not name one holder by a URL or an address of mail")),
        };
        let mut claims = BTreeMap::new();
        for extension in self.extensions() {
            let id = extension.extn_id.to_string();
            let number = id.strip_prefix(FULCIO).and_then(|number| number.parse().ok());
            let Some(number) = number.filter(|number| Claim::TEXTS.contains(number)) else {
                continue;
            };
            let text = String::from_der(extension.extn_value.as_bytes()).map_err(unread)?;
            claims.insert(Claim(number), text);
        }
        Ok(Identity { name, claims })
    }
}

/// A time for people.
fn shown(at: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(at).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| at.to_string())
}
