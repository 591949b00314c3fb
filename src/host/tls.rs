//! Whom TLS connections trust: the authorities of this machine, and the certificates that the
//! user names.
//!
//! In comes a client that is being built and PEM text; out goes one that trusts these
//! certificates, too. rustls takes them for authorities only, and refuses a server that shows an
//! authority as its own certificate. Many registries in companies and laboratories do just that
//! (`openssl req -x509` makes such a certificate), and curl and skopeo accept one that they were
//! told to trust; so a server that shows a named certificate itself is trusted here, when the
//! certificate is for its name and has not expired.
//!
//! A server may want a certificate of its clients, too: [`Identity`] is what they show.

use std::fmt;
use std::sync::Arc;

use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// What HTTP clients speak (ALPN).
const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What a client shows to a server that wants to know who it is: a certificate, with those that
/// vouch for it, and its key.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads PEM texts: certificates, the client's own first, and one key (PKCS #8, PKCS #1 or
    /// SEC 1), which may stand in one file or in two. Whatever else is there (Red Hat's
    /// entitlements have more) is passed over.
    ///
    /// # Errors
    /// There is no certificate or no key, or one that cannot be read, or the key is not the
    /// certificate's.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("a certificate is not PEM: {error}"))?;
        if chain.is_empty() {
            return Err("there is no certificate in PEM form".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "there is no key in PEM form without a passphrase".to_owned())?;
        let identity = Self { chain, key };
        // Whether they belong together is known when they are used.
        configuration_as(&[], Some(&identity), &HTTP)?;
        Ok(identity)
    }
}

/// A client that trusts the certificates in these PEM texts besides the machine's authorities,
/// and shows `identity` where a server wants one.
///
/// # Errors
/// A text has a certificate that cannot be read.
pub fn trusting(
    builder: reqwest::ClientBuilder,
    pem: &[Vec<u8>],
    identity: Option<&Identity>,
) -> Result<reqwest::ClientBuilder, String> {
    if pem.is_empty() && identity.is_none() {
        return Ok(builder);
    }
    Ok(builder.tls_backend_preconfigured(configuration_as(pem, identity, &HTTP)?))
}

/// What a client of TLS is made of that trusts the certificates in these PEM texts besides the
/// machine's authorities, and that speaks one of `protocols` (ALPN); none: it does not say.
///
/// # Errors
/// A text has a certificate that cannot be read; there is nobody to trust.
pub fn configuration(pem: &[Vec<u8>], protocols: &[&[u8]]) -> Result<rustls::ClientConfig, String> {
    configuration_as(pem, None, protocols)
}

fn configuration_as(
    pem: &[Vec<u8>],
    identity: Option<&Identity>,
    protocols: &[&[u8]],
) -> Result<rustls::ClientConfig, String> {
    let mut named = Vec::new();
    for text in pem {
        for certificate in CertificateDer::pem_slice_iter(text) {
            named.push(certificate.map_err(|error| format!("a certificate is not PEM: {error}"))?);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = NamedOrSigned { signed: by_authorities(&named, &provider)?, named };
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut configuration = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|error| format!("the client's certificate and key: {error}"))?,
    };
    configuration.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(configuration)
}

/// Trusts what the machine's authorities or the named ones have signed; the named ones alone
/// where the machine has none, as in a bare container.
fn by_authorities(
    named: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let all = named.iter().cloned();
    let machine = rustls_platform_verifier::Verifier::new_with_extra_roots(all, provider.clone());
    if let Ok(machine) = machine {
        return Ok(Arc::new(machine));
    }
    let mut roots = RootCertStore::empty();
    for certificate in named {
        roots.add(certificate.clone()).map_err(|error| format!("a certificate: {error}"))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
    Ok(verifier.build().map_err(|error| error.to_string())?)
}

/// Trusts a server that shows a named certificate itself, and one that an authority vouches for.
#[derive(Debug)]
struct NamedOrSigned {
    named: Vec<CertificateDer<'static>>,
    signed: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for NamedOrSigned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let own = match self.named.iter().any(|one| one.as_ref() == end_entity.as_ref()) {
            true => check_named(end_entity, server_name, now),
            false => Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        if own.is_ok() {
            return Ok(ServerCertVerified::assertion());
        }
        self.signed
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| match own {
                // what is wrong with a named certificate is not that it is an authority's
                Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => error,
                Err(own) => own,
                Ok(()) => error,
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

/// Whether a certificate that the user named is for this server, now.
fn check_named(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    rustls::client::verify_server_name(&parsed, server_name)?;
    let validity = Validity::of(certificate)
        .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let wrong = match now.as_secs() {
        now if now < validity.not_before => CertificateError::NotValidYet,
        now if now > validity.not_after => CertificateError::Expired,
        _ => return Ok(()),
    };
    Err(rustls::Error::InvalidCertificate(wrong))
}

/// From when until when a certificate holds, in seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
struct Validity {
    not_before: u64,
    not_after: u64,
}

impl Validity {
    /// Reads it: RFC 5280, 4.1.
    fn of(certificate: &[u8]) -> der::Result<Self> {
        let certificate = AnyRef::from_der(certificate)?;
        certificate.tag().assert_eq(Tag::Sequence)?;
        let signed: AnyRef<'_> = SliceReader::new(certificate.value())?.decode()?;
        signed.tag().assert_eq(Tag::Sequence)?;
        let mut fields = SliceReader::new(signed.value())?;
        // the version is not there in certificates of version 1
        let first: AnyRef<'_> = fields.decode()?;
        if first.tag() != Tag::Integer {
            let _serial: AnyRef<'_> = fields.decode()?;
        }
        let _algorithm: AnyRef<'_> = fields.decode()?;
        let _issuer: AnyRef<'_> = fields.decode()?;
        let validity: AnyRef<'_> = fields.decode()?;
        validity.tag().assert_eq(Tag::Sequence)?;
        let mut times = SliceReader::new(validity.value())?;
        Ok(Self { not_before: seconds(times.decode()?)?, not_after: seconds(times.decode()?)? })
    }
}

fn seconds(time: AnyRef<'_>) -> der::Result<u64> {
    let since = match time.tag() {
        Tag::UtcTime => time.decode_as::<UtcTime>()?.to_unix_duration(),
        _ => time.decode_as::<GeneralizedTime>()?.to_unix_duration(),
    };
    Ok(since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// A certificate that signs itself, as `openssl req -x509` makes it.
    fn self_signed(dir: &Path, name: &str, more: &[&str]) -> Vec<u8> {
        let (key, file) = (dir.join(format!("{name}.key")), dir.join(format!("{name}.pem")));
        let configuration = dir.join("openssl.cnf");
        std::fs::write(&configuration, "[req]\ndistinguished_name=name\n[name]\n").expect("cnf");
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-config"])
            .arg(&configuration)
            .args(["-subj", &format!("/CN={name}"), "-keyout"])
            .arg(&key)
            .arg("-out")
            .arg(&file)
            .args(["-addext", &format!("subjectAltName=DNS:{name},IP:127.0.0.1")])
            .args(more)
            .output()
            .expect("Debian's package openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(file).expect("certificate")
    }

    fn der(pem: &[u8]) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem).expect("PEM")
    }

    #[test]
    fn a_named_certificate_is_trusted_for_its_name_and_time() {
        let dir = tempfile::tempdir().expect("dir");
        let ca = &["-addext", "basicConstraints=critical,CA:TRUE"];
        let authority = self_signed(dir.path(), "registry.example", ca);
        let leaf = "basicConstraints=critical,CA:FALSE";
        let leaf = self_signed(dir.path(), "leaf.example", &["-addext", leaf]);
        let other = self_signed(dir.path(), "registry.example", ca);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let named: Vec<_> = [&authority, &leaf].map(|pem| der(pem)).into();
        let signed = by_authorities(&named, &provider).expect("verifier");
        let verifier = NamedOrSigned { named, signed };
        let now = UnixTime::now().as_secs();
        let verdict = |pem: &[u8], name: &str, after: i64| {
            let name = ServerName::try_from(name.to_owned()).expect("name");
            let time = now.saturating_add_signed(after);
            let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(time));
            match verifier.verify_server_cert(&der(pem), &[], &name, &[], time) {
                Ok(_) => "trusted".to_owned(),
                Err(error) => error.to_string(),
            }
        };
        const DAY: i64 = 24 * 3600;
        for (pem, name, after, want) in [
            (&authority, "registry.example", 60, "trusted"),
            (&authority, "127.0.0.1", 60, "trusted"),
            (&leaf, "leaf.example", 60, "trusted"),
            (&authority, "elsewhere.example", 60, "not valid for name"),
            (&leaf, "registry.example", 60, "not valid for name"),
            (&authority, "registry.example", 31 * DAY, "Expired"),
            (&authority, "registry.example", -DAY, "NotValidYet"),
            (&other, "registry.example", 60, "invalid peer certificate"),
        ] {
            let found = verdict(pem, name, after);
            assert!(found.contains(want), "{name} after {after} s: {found}, not {want}");
        }
    }

    #[test]
    fn the_validity_is_openssls() {
        let dir = tempfile::tempdir().expect("dir");
        for (more, days) in [(&[][..], 30), (&["-days", "20000"][..], 20000)] {
            let pem = self_signed(dir.path(), "a.example", more);
            let Validity { not_before, not_after } = Validity::of(&der(&pem)).expect("validity");
            assert_eq!(not_after - not_before, days * 24 * 3600);
            let now = UnixTime::now().as_secs();
            assert!(not_before <= now && now - not_before < 600, "{not_before} {now}");
        }
        for damaged in [&b""[..], b"\x30\x00", b"\x30\x02\x30\x00", b"x"] {
            assert!(Validity::of(damaged).is_err());
        }
    }

    #[test]
    fn a_client_has_its_own_key() {
        let dir = tempfile::tempdir().expect("dir");
        let one = self_signed(dir.path(), "one.example", &[]);
        self_signed(dir.path(), "two.example", &[]);
        let key = |name| std::fs::read(dir.path().join(name)).expect("key");
        let (own, other) = (key("one.example.key"), key("two.example.key"));
        // As subscription-manager writes them, with more below.
        let more = b"-----BEGIN ENTITLEMENT DATA-----\neJw=\n-----END ENTITLEMENT DATA-----\n";
        let both = [&one[..], more, &own].concat();
        let identity = Identity::from_pem(&both, &both).expect("identity");
        assert_eq!(identity.chain.len(), 1);
        assert!(!format!("{identity:?}").contains("key"), "{identity:?}");
        assert!(Identity::from_pem(&one, &own).is_ok());
        for (certificate, key, want) in [
            (&one, &other, "certificate and key"),
            (&own, &own, "no certificate"),
            (&one, &one, "no key"),
        ] {
            let error = Identity::from_pem(certificate, key).expect_err("refused");
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_text_that_is_no_certificate_is_refused() {
        let bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        assert!(configuration(&[bad], &[]).is_err());
    }
}
