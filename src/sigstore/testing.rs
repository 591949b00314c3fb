//! An instance of Sigstore for tests: an authority, a log of certificates and one of signatures,
//! each with a key of its own, and a signer's certificates and entries as the public instance
//! makes them. The log's tree has one leaf.

use std::str::FromStr as _;
use std::time::Duration;

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::{BitString, Ia5String, ObjectIdentifier, OctetString, UtcTime};
use x509_cert::der::{Decode as _, Encode as _, EncodePem as _};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate};

use crate::bundle::{Envelope, IN_TOTO};
use crate::bytes::{encoded, hex, sha256};
use crate::certificate_log::PROMISES;

/// When the signatures of this module are made, in seconds since the epoch.
pub const AT: i64 = 1_760_000_000;

/// How long a signer's certificate is in force, in seconds.
pub const IN_FORCE: i64 = 600;

const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";

/// An instance of Sigstore.
pub struct Instance {
    authority: SigningKey,
    certificate_log: SigningKey,
    log: SigningKey,
    signer: SigningKey,
}

/// Who signs.
pub struct Holder<'a> {
    /// A URL, or with `@` and no `/` an address of mail.
    pub name: &'a str,
    /// Fulcio's extensions, by their last number.
    pub claims: &'a [(u32, String)],
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn spki(key: &SigningKey) -> Vec<u8> {
    p256::PublicKey::from(key.verifying_key()).to_public_key_der().unwrap().into_vec()
}

fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    let made: DerSignature = key.sign(message);
    made.as_bytes().to_vec()
}

fn extension(id: &str, critical: bool, value: Vec<u8>) -> Extension {
    let extn_id = ObjectIdentifier::new(id).unwrap();
    Extension { extn_id, critical, extn_value: OctetString::new(value).unwrap() }
}

fn time(at: i64) -> Time {
    let at = Duration::from_secs(at.try_into().unwrap());
    Time::UtcTime(UtcTime::from_unix_duration(at).unwrap())
}

impl Instance {
    /// One whose keys are of `seed`, which is not 0 and below 60.
    #[must_use]
    pub fn new(seed: u8) -> Self {
        let [authority, certificate_log, log, signer] = [0, 60, 120, 180].map(|n| key(seed + n));
        Self { authority, certificate_log, log, signer }
    }

    fn certificate(&self, body: TbsCertificate) -> Certificate {
        let signature = sign(&self.authority, &body.to_der().unwrap());
        Certificate {
            signature_algorithm: body.signature.clone(),
            tbs_certificate: body,
            signature: BitString::from_bytes(&signature).unwrap(),
        }
    }

    /// What the authority signs.
    fn body(
        &self,
        (subject, key): (Name, &SigningKey),
        (from, until): (i64, i64),
        with: Vec<Extension>,
    ) -> TbsCertificate {
        let oid = ObjectIdentifier::new(ECDSA_SHA256).unwrap();
        TbsCertificate {
            version: Version::V3,
            serial_number: SerialNumber::new(&[1]).unwrap(),
            signature: AlgorithmIdentifierOwned { oid, parameters: None },
            issuer: Name::from_str("CN=authority").unwrap(),
            validity: Validity { not_before: time(from), not_after: time(until) },
            subject,
            subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&spki(key)).unwrap(),
            issuer_unique_id: None,
            subject_unique_id: None,
            extensions: Some(with),
        }
    }

    /// The document of its authorities and logs.
    #[must_use]
    pub fn trust_root(&self) -> String {
        let constraints = BasicConstraints { ca: true, path_len_constraint: None };
        let with = vec![extension("2.5.29.19", true, constraints.to_der().unwrap())];
        let period = (AT - 86400, AT + 86400);
        let body =
            self.body((Name::from_str("CN=authority").unwrap(), &self.authority), period, with);
        let anchor = self.certificate(body).to_der().unwrap();
        let from = json!({"start": "2024-01-01T00:00:00Z"});
        let log = |key: &SigningKey| {
            json!({
                "publicKey": {"rawBytes": encoded(&spki(key)), "validFor": from,
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256"},
                "logId": {"keyId": encoded(&sha256(&[&spki(key)]))},
            })
        };
        let root = json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.log)],
            "ctlogs": [log(&self.certificate_log)],
            "certificateAuthorities": [
                {"certChain": {"certificates": [{"rawBytes": encoded(&anchor)}]}, "validFor": from},
            ],
        });
        root.to_string()
    }

    /// A signer's certificate, in force from [`AT`] on.
    fn leaf(&self, holder: &Holder<'_>) -> Certificate {
        let name = Ia5String::new(holder.name).unwrap();
        let name = match holder.name.contains('@') && !holder.name.contains('/') {
            true => GeneralName::Rfc822Name(name),
            false => GeneralName::UniformResourceIdentifier(name),
        };
        let signing = ObjectIdentifier::new("1.3.6.1.5.5.7.3.3").unwrap();
        let mut with = vec![
            extension(
                "2.5.29.15",
                true,
                KeyUsage(KeyUsages::DigitalSignature.into()).to_der().unwrap(),
            ),
            extension("2.5.29.37", false, ExtendedKeyUsage(vec![signing]).to_der().unwrap()),
            extension("2.5.29.17", true, SubjectAltName(vec![name]).to_der().unwrap()),
        ];
        for (number, text) in holder.claims {
            let id = format!("1.3.6.1.4.1.57264.1.{number}");
            with.push(extension(&id, false, text.to_der().unwrap()));
        }
        let mut body = self.body((Name::default(), &self.signer), (AT, AT + IN_FORCE), with);
        let unpromised = body.to_der().unwrap();
        let when = u64::try_from(AT * 1000).unwrap().to_be_bytes();
        let length = u32::try_from(unpromised.len()).unwrap().to_be_bytes();
        let issuer = sha256(&[&spki(&self.authority)]);
        let parts: [&[u8]; 7] =
            [&[0, 0], &when, &[0, 1], &issuer, &length[1..], &unpromised, &[0, 0]];
        let made = sign(&self.certificate_log, &parts.concat());
        let counted = |bytes: Vec<u8>| {
            [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
        };
        let log = sha256(&[&spki(&self.certificate_log)]);
        let parts: [&[u8]; 6] = [&[0], &log, &when, &[0, 0], &[4, 3], &counted(made)];
        let list = OctetString::new(counted(counted(parts.concat()))).unwrap();
        let promise = extension(&PROMISES.to_string(), false, list.to_der().unwrap());
        body.extensions.get_or_insert_default().push(promise);
        self.certificate(body)
    }

    /// A statement signed, as PEP 740 writes it; the log takes it at `at`.
    #[must_use]
    pub fn attestation(&self, statement: &str, holder: &Holder<'_>, at: i64) -> Value {
        let (payload_type, payload) = (IN_TOTO.to_owned(), statement.as_bytes().to_vec());
        let mut envelope = Envelope { payload_type, payload, signature: Vec::new() };
        envelope.signature = sign(&self.signer, &envelope.encoded());
        let leaf = self.leaf(holder);
        let pem = leaf.to_pem(Default::default()).unwrap();
        let body = json!({
            "apiVersion": "0.0.1", "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": "00"},
                "payloadHash": {"algorithm": "sha256", "value": hex(&sha256(&[&envelope.payload]))},
                "signatures": [{
                    "signature": encoded(&envelope.signature), "verifier": encoded(pem.as_bytes()),
                }],
            },
        });
        let body = body.to_string();
        let log = sha256(&[&spki(&self.log)]);
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{at},"logID":"{}","logIndex":7}}"#,
            encoded(body.as_bytes()),
            hex(&log)
        );
        let root = encoded(&sha256(&[&[0], body.as_bytes()]));
        let checkpoint = format!("log.test - 1\n1\n{root}\n");
        let signed = [&log[..4], &sign(&self.log, checkpoint.as_bytes())].concat();
        json!({
            "version": 1,
            "verification_material": {
                "certificate": encoded(&leaf.to_der().unwrap()),
                "transparency_entries": [{
                    "logIndex": "7",
                    "logId": {"keyId": encoded(&log)},
                    "kindVersion": {"kind": "dsse", "version": "0.0.1"},
                    "integratedTime": at.to_string(),
                    "inclusionPromise": {
                        "signedEntryTimestamp": encoded(&sign(&self.log, promised.as_bytes())),
                    },
                    "inclusionProof": {
                        "logIndex": "0", "rootHash": root, "treeSize": "1", "hashes": [],
                        "checkpoint": {
                            "envelope": format!("{checkpoint}\n\u{2014} log.test {}\n", encoded(&signed)),
                        },
                    },
                    "canonicalizedBody": encoded(body.as_bytes()),
                }],
            },
            "envelope": {
                "statement": encoded(&envelope.payload),
                "signature": encoded(&envelope.signature),
            },
        })
    }
}
