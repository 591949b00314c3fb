//! Whom an instance of Sigstore is: its authorities and logs, with the times in which they count.
//!
//! In comes a document of type `application/vnd.dev.sigstore.trustedroot+json`
//! (<https://github.com/sigstore/protobuf-specs>); out come the keys and certificates of it that
//! are of use here. Logs with keys of another kind than P-256 are passed over, and what they have
//! is not believed then.
//!
//! The public instance's document stands in `trust_roots/public_good.json`. It is the target
//! `trusted_root.json` of Sigstore's TUF repository
//! (<https://github.com/sigstore/root-signing>, SHA-256 `6494e21e…0b66` in its signed
//! `targets.json`), and byte for byte the one that the `sigstore` package of PyPI has.

use std::sync::LazyLock;

use p256::ecdsa::VerifyingKey;
use p256::pkcs8::DecodePublicKey as _;
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::bytes::Base64;

/// The most authorities, logs and certificates of a chain.
const MOST: usize = 64;

/// When something counts, in seconds since the epoch; the end is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    from: i64,
    until: Option<i64>,
}

impl Period {
    pub(crate) fn has(&self, time: i64) -> bool {
        self.from <= time && self.until.is_none_or(|until| time <= until)
    }
}

/// Who issues certificates.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    /// What stands between the anchor and certificates of signers.
    pub(crate) intermediates: Vec<CertificateDer<'static>>,
    pub(crate) anchor: CertificateDer<'static>,
    pub(crate) period: Period,
}

/// A log, of signatures or of certificates.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) id: Vec<u8>,
    pub(crate) key: VerifyingKey,
    pub(crate) period: Period,
}

/// Whom an instance of Sigstore is. An empty one trusts nobody.
#[derive(Debug, Clone, Default)]
pub struct TrustRoot {
    pub(crate) authorities: Vec<Authority>,
    pub(crate) logs: Vec<Log>,
    pub(crate) certificate_logs: Vec<Log>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<ListedLog>,
    #[serde(default)]
    certificate_authorities: Vec<ListedAuthority>,
    #[serde(default)]
    ctlogs: Vec<ListedLog>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedLog {
    public_key: ListedKey,
    log_id: ListedId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedKey {
    raw_bytes: Base64,
    key_details: String,
    #[serde(default)]
    valid_for: Listed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedId {
    key_id: Base64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedAuthority {
    cert_chain: ListedChain,
    #[serde(default)]
    valid_for: Listed,
}

#[derive(Deserialize)]
struct ListedChain {
    certificates: Vec<ListedCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedCertificate {
    raw_bytes: Base64,
}

#[derive(Deserialize, Default)]
struct Listed {
    start: Option<String>,
    end: Option<String>,
}

impl Listed {
    fn period(&self) -> Result<Period, String> {
        let time = |text: &String| {
            let time = OffsetDateTime::parse(text, &Rfc3339);
            time.map(OffsetDateTime::unix_timestamp).map_err(|_| format!("{text:?} is no time"))
        };
        let from = self.start.as_ref().map(time).transpose()?;
        let until = self.end.as_ref().map(time).transpose()?;
        Ok(Period { from: from.unwrap_or(i64::MIN), until })
    }
}

impl TrustRoot {
    /// The public instance's (<https://sigstore.dev>).
    #[must_use]
    pub fn public_good() -> &'static Self {
        static ROOT: LazyLock<TrustRoot> = LazyLock::new(|| {
            // a test reads it; one that could not be read would trust nobody
            TrustRoot::read(include_bytes!("trust_roots/public_good.json")).unwrap_or_default()
        });
        &ROOT
    }

    /// Reads a document.
    ///
    /// # Errors
    /// It is none, or has more than 64 of something. Half a sentence.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let document: Document = imgfix_json::read(bytes).map_err(|error| error.to_string())?;
        let Document { media_type, tlogs, certificate_authorities, ctlogs } = document;
        let (of, _) = media_type.split_once(['+', ';']).unwrap_or((&media_type, ""));
        if !of.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err(format!("it is of type {media_type:?}"));
        }
        let longest = certificate_authorities.iter().map(|one| one.cert_chain.certificates.len());
        let longest = longest.max().unwrap_or_default();
        if [tlogs.len(), ctlogs.len(), certificate_authorities.len(), longest]
            .iter()
            .any(|count| *count > MOST)
        {
            return Err(format!("it has more than {MOST} of something"));
        }
        let authorities = certificate_authorities.into_iter().map(authority);
        Ok(Self {
            authorities: authorities.collect::<Result<_, _>>()?,
            logs: logs(tlogs)?,
            certificate_logs: logs(ctlogs)?,
        })
    }
}

fn authority(listed: ListedAuthority) -> Result<Authority, String> {
    let period = listed.valid_for.period()?;
    let certificates = listed.cert_chain.certificates.into_iter();
    let mut intermediates: Vec<CertificateDer<'static>> =
        certificates.map(|one| CertificateDer::from(one.raw_bytes.0)).collect();
    let anchor = intermediates.pop().ok_or("an authority of it has no certificate")?;
    Ok(Authority { intermediates, anchor, period })
}

fn logs(listed: Vec<ListedLog>) -> Result<Vec<Log>, String> {
    let is_used = |one: &ListedLog| one.public_key.key_details == "PKIX_ECDSA_P256_SHA_256";
    let log = |one: ListedLog| {
        let period = one.public_key.valid_for.period()?;
        let key = VerifyingKey::from_public_key_der(&one.public_key.raw_bytes.0);
        let key = key.map_err(|_| "a log's key is none of P-256")?;
        Ok(Log { id: one.log_id.key_id.0, key, period })
    };
    listed.into_iter().filter(is_used).map(log).collect()
}

#[cfg(test)]
mod tests {
    use p256::pkcs8::EncodePublicKey as _;

    use super::*;
    use crate::bytes::{hex, sha256};

    #[test]
    fn the_public_root_is_whole() {
        let document = include_bytes!("trust_roots/public_good.json");
        assert_eq!(
            hex(&sha256(&[document])),
            "6494e21ea73fa7ee769f85f57d5a3e6a08725eae1e38c755fc3517c9e6bc0b66"
        );
        let root = TrustRoot::public_good();
        let chains: Vec<usize> =
            root.authorities.iter().map(|one| one.intermediates.len()).collect();
        assert_eq!(chains, [0, 1]);
        assert_eq!((root.logs.len(), root.certificate_logs.len()), (1, 2));
        // a log's id is the hash of its key
        for log in root.logs.iter().chain(&root.certificate_logs) {
            let key = p256::PublicKey::from(&log.key).to_public_key_der().unwrap();
            assert_eq!(log.id, sha256(&[key.as_bytes()]));
        }
        let ended = root.authorities[0].period;
        assert!(ended.has(1_640_000_000) && !ended.has(1_700_000_000) && !ended.has(1_600_000_000));
    }

    #[test]
    fn what_is_no_root_is_refused() {
        for (document, want) in [
            ("{}", "media"),
            (r#"{"mediaType": "application/json"}"#, "it is of type \"application/json\""),
            (
                r#"{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                    "certificateAuthorities": [{"certChain": {"certificates": []}}]}"#,
                "no certificate",
            ),
            (
                r#"{"mediaType": "application/vnd.dev.sigstore.trustedroot.v0.2+json",
                    "tlogs": [{"logId": {"keyId": "AA=="}, "publicKey": {"rawBytes": "AA==",
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256"}}]}"#,
                "a log's key",
            ),
        ] {
            let error = TrustRoot::read(document.as_bytes()).unwrap_err();
            assert!(error.contains(want), "{document}: {error}");
        }
    }
}
