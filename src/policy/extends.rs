//! What a policy file extends: other files, texts behind URLs that are known by their SHA-256, and
//! artifacts of registries that are known by their digests.
//!
//! In comes an entry of `extends`; out goes where the text is. Nothing is read or fetched here.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use imgfix_model::digest::Digest;
use imgfix_oci::Reference;

/// What stands between a URL and the SHA-256 of its text.
const SHA256: &str = "#sha256=";

/// What the name of an artifact begins with.
const OCI: &str = "oci://";

/// One text that a file extends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// A file; a relative path counts from the folder of the file that extends it.
    File(PathBuf),
    /// What an address answers, when its SHA-256 is as the file says.
    Url(PinnedUrl),
    /// The one layer of an artifact of a registry.
    Artifact(PinnedArtifact),
}

/// An artifact of a registry, by the digest of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedArtifact {
    reference: Reference,
    /// As the file writes it, without `oci://`.
    name: String,
}

impl PinnedArtifact {
    /// What to ask for; it has a digest.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// `NAME[:TAG]@sha256:HEX` behind `oci://`, with the registry before a slash.
    fn parse(name: &str) -> Result<Self, String> {
        const FORM: &str = "oci://REGISTRY/NAME:TAG@sha256:HEX";
        let Some((before, digest)) = name.split_once('@') else {
            return Err(format!(
                "an artifact wants the digest of its manifest behind it, as in {FORM}; 'oras \
                 resolve NAME:TAG' says it"
            ));
        };
        if digest.contains('@') {
            return Err(format!(
                "want {FORM}; a login is not written here, 'imgfix login REGISTRY' keeps it"
            ));
        }
        if digest.parse::<Digest>().is_err() {
            return Err(format!("behind @ want sha256: and 64 hexadecimal digits, as in {FORM}"));
        }
        // Without it another registry would be meant by some programs than by others.
        let registry = before.split_once('/').map(|(registry, _)| registry);
        if !registry.is_some_and(|it| it == "localhost" || it.contains(['.', ':'])) {
            return Err(format!("want the registry's name first, as in {FORM}"));
        }
        match format!("docker://{name}").parse() {
            Ok(reference) => Ok(Self { reference, name: name.to_owned() }),
            Err(error) => Err(format!("want {FORM}: {}", error.why)),
        }
    }
}

impl fmt::Display for PinnedArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OCI}{}", self.name)
    }
}

/// An address whose content is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedUrl {
    url: Url,
    sha256: String,
}

impl PinnedUrl {
    /// What to ask for, with the login that the file gives.
    #[must_use]
    pub fn address(&self) -> &str {
        self.url.as_str()
    }

    /// The SHA-256 of the content, in 64 small hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl fmt::Display for PinnedUrl {
    /// For messages: without login and query, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.url.clone();
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        f.write_str(shown.as_str())
    }
}

impl Extended {
    /// As the file writes it: a path, `https://HOST/PATH#sha256=HEX`, or
    /// `oci://REGISTRY/NAME:TAG@sha256:HEX`.
    ///
    /// # Errors
    /// It is none of them; the sentence names no login.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err(
                "extends wants the name of a file, a URL with its SHA-256, or an artifact \
                        of a registry with its digest"
                    .to_owned(),
            );
        }
        if let Some(name) = text.strip_prefix(OCI) {
            return PinnedArtifact::parse(name).map(Self::Artifact);
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        if scheme != "https" && scheme != "http" {
            return Err(format!(
                "{scheme}:// is not followed; want a file, https://, http:// or oci://"
            ));
        }
        let Some((address, sha256)) = text.split_once(SHA256) else {
            return Err("a URL wants the SHA-256 of its content behind it, as in \
                        https://HOST/PATH#sha256=HEX"
                .to_owned());
        };
        let sha256 = sha256.trim().to_ascii_lowercase();
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("a SHA-256 has 64 hexadecimal digits".to_owned());
        }
        match Url::parse(address.trim()) {
            Ok(url) if url.has_host() => Ok(Self::Url(PinnedUrl { url, sha256 })),
            _ => Err("the address before #sha256= is no URL".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn files_and_pinned_addresses_are_extended() {
        assert_eq!(Extended::parse("../base.toml"), Ok(Extended::File("../base.toml".into())));
        for space in ["", " "] {
            let text = format!("https://u:secret@h.example/p.toml?t=1{space}#sha256={HEX}");
            let Ok(Extended::Url(url)) = Extended::parse(&text) else { panic!("{text}") };
            assert_eq!(url.address(), "https://u:secret@h.example/p.toml?t=1");
            assert_eq!(url.to_string(), "https://h.example/p.toml");
            assert_eq!(url.sha256(), HEX);
        }
        let text = format!("http://h.example/p#sha256={}", HEX.to_uppercase());
        let Ok(Extended::Url(url)) = Extended::parse(&text) else { panic!("{text}") };
        assert_eq!(url.sha256(), HEX);
    }

    #[test]
    fn artifacts_are_extended_by_their_digest() {
        for name in ["h.example/team/p:1", "h.example/team/p", "localhost/p", "127.0.0.1:5000/p:v2"]
        {
            let text = format!("oci://{name}@sha256:{HEX}");
            let Ok(Extended::Artifact(artifact)) = Extended::parse(&text) else { panic!("{text}") };
            assert_eq!(artifact.to_string(), text);
            let Reference::Registry(reference) = artifact.reference() else { panic!("{text}") };
            assert_eq!(reference.digest(), Some(&*format!("sha256:{HEX}")));
        }
    }

    #[test]
    fn what_cannot_be_extended_is_said_without_its_login() {
        for (text, want) in [
            ("", "the name of a file"),
            ("https://u:secret@h.example/p", "wants the SHA-256"),
            ("https://u:secret@h.example/p#sha256=12", "64 hexadecimal digits"),
            ("ftp://u:secret@h/p", "ftp:// is not followed"),
            ("oci://h.example/p:1", "wants the digest of its manifest"),
            ("oci://h.example/p:1@sha256:12", "want sha256: and 64 hexadecimal digits"),
            ("oci://u:secret@h.example/p:1", "want sha256: and 64"),
        ] {
            let why = Extended::parse(text).unwrap_err();
            assert!(why.contains(want) && !why.contains("secret"), "{text}: {why}");
        }
        for (name, want) in [
            ("u:secret@h.example/p:1", "a login is not written here"),
            ("team/policy:1", "want the registry's name first"),
            ("policy", "want the registry's name first"),
            ("h.example/Policy:1", "lower case"),
        ] {
            let why = Extended::parse(&format!("oci://{name}@sha256:{HEX}")).unwrap_err();
            assert!(why.contains(want) && !why.contains("secret"), "{name}: {why}");
        }
        let why = Extended::parse(&format!("https://#sha256={HEX}")).unwrap_err();
        assert!(why.contains("no URL"), "{why}");
    }
}
