//! An entry of Rekor, the log of signatures (<https://docs.sigstore.dev/logging/overview/>).
//!
//! In comes the entry as bundles have it; out come the time that the log promised it at, whether
//! its tree has it, and whether it is about an envelope. Entries for envelopes are read (`dsse`
//! 0.0.1).

use serde::Deserialize;
use x509_cert::der::Document;

use crate::bundle::Envelope;
use crate::bytes::{Base64, Number, encoded, hex, is_signed, sha256};
use crate::error::SigstoreError;
use crate::log_proof::{self, Proof};
use crate::trust_root::{Log, TrustRoot};

/// The largest entry that is read, in bytes.
const MAX_BODY: usize = 1 << 20;

/// An entry, with what the log says of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEntry {
    log_index: Number,
    log_id: LogId,
    kind_version: KindVersion,
    integrated_time: Number,
    inclusion_promise: Option<Promise>,
    inclusion_proof: Option<Proof>,
    canonicalized_body: Base64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: Base64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct KindVersion {
    kind: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Promise {
    signed_entry_timestamp: Base64,
}

/// What an entry says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    payload_hash: Hash,
    signatures: Vec<EntrySignature>,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct EntrySignature {
    signature: Base64,
    /// The certificate as PEM.
    verifier: Base64,
}

impl LogEntry {
    fn log<'a>(&self, root: &'a TrustRoot) -> Result<&'a Log, SigstoreError> {
        let id = &self.log_id.key_id.0;
        let at = i64::try_from(self.integrated_time.0).unwrap_or(i64::MAX);
        let log = root.logs.iter().find(|log| log.id == *id && log.period.has(at));
        log.ok_or_else(|| SigstoreError::UnknownLog(encoded(id)))
    }

    /// When the log took the entry: it signed this with the entry.
    pub(crate) fn promised(&self, root: &TrustRoot) -> Result<i64, SigstoreError> {
        let log = self.log(root)?;
        let promise = self.inclusion_promise.as_ref().ok_or(SigstoreError::Promise)?;
        // the canonical form of JSON (RFC 8785): no member of it has a character to be escaped
        let message = format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            encoded(&self.canonicalized_body.0),
            self.integrated_time.0,
            hex(&log.id),
            self.log_index.0,
        );
        if !is_signed(&log.key, message.as_bytes(), &promise.signed_entry_timestamp.0) {
            return Err(SigstoreError::Promise);
        }
        i64::try_from(self.integrated_time.0).map_err(|_| SigstoreError::Promise)
    }

    /// Whether the log's tree has the entry.
    pub(crate) fn proved(&self, root: &TrustRoot) -> Result<(), SigstoreError> {
        let log = self.log(root)?;
        let none = || SigstoreError::Proof("it gives none".to_owned());
        let proof = self.inclusion_proof.as_ref().ok_or_else(none)?;
        log_proof::check(proof, &self.canonicalized_body.0, log).map_err(SigstoreError::Proof)
    }

    /// Whether the entry is about this envelope, signed with this certificate.
    pub(crate) fn is_about(
        &self,
        envelope: &Envelope,
        certificate: &[u8],
    ) -> Result<(), SigstoreError> {
        let wrong = |why: &str| Err(SigstoreError::Entry(why.to_owned()));
        let bytes = &self.canonicalized_body.0;
        if bytes.len() > MAX_BODY {
            return wrong("it is too large");
        }
        let body: Body = imgfix_json::read(bytes)
            .map_err(|error| SigstoreError::Entry(format!("it cannot be read: {error}")))?;
        let KindVersion { kind, version } = &self.kind_version;
        if (kind.as_str(), version.as_str()) != ("dsse", "0.0.1")
            || (&body.kind, &body.api_version) != (kind, version)
        {
            return wrong("it is none of an envelope (dsse 0.0.1)");
        }
        let Hash { algorithm, value } = &body.spec.payload_hash;
        if algorithm != "sha256" || *value != hex(&sha256(&[&envelope.payload])) {
            return wrong("its statement is another");
        }
        let [EntrySignature { signature, verifier }] = body.spec.signatures.as_slice() else {
            return wrong("it has not one signature");
        };
        if signature.0 != envelope.signature {
            return wrong("its signature is another");
        }
        let pem = std::str::from_utf8(&verifier.0).unwrap_or_default();
        match Document::from_pem(pem) {
            Ok(("CERTIFICATE", der)) if der.as_bytes() == certificate => Ok(()),
            _ => wrong("its certificate is another"),
        }
    }
}
