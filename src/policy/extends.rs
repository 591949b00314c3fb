//! What a policy file extends: other files, and texts behind URLs that are known by their SHA-256.
//!
//! In comes an entry of `extends`; out goes where the text is. Nothing is read or fetched here.

use std::fmt;
use std::path::PathBuf;

use url::Url;

/// What stands between a URL and the SHA-256 of its text.
const SHA256: &str = "#sha256=";

/// One text that a file extends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extended {
    /// A file; a relative path counts from the folder of the file that extends it.
    File(PathBuf),
    /// What an address answers, when its SHA-256 is as the file says.
    Url(PinnedUrl),
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
    /// As the file writes it: a path, or `https://HOST/PATH#sha256=HEX`.
    ///
    /// # Errors
    /// It is neither; the sentence names no login.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("extends wants the name of a file, or a URL with its SHA-256".to_owned());
        }
        if text.starts_with("oci:") {
            return Err("a policy is not fetched from a registry; extend a file, or \
                        https://HOST/PATH#sha256=HEX"
                .to_owned());
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        if scheme != "https" && scheme != "http" {
            return Err(format!("{scheme}:// is not followed; want a file, https:// or http://"));
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
    fn what_cannot_be_extended_is_said_without_its_login() {
        for (text, want) in [
            ("", "the name of a file"),
            ("https://u:secret@h.example/p", "wants the SHA-256"),
            ("https://u:secret@h.example/p#sha256=12", "64 hexadecimal digits"),
            ("ftp://u:secret@h/p", "ftp:// is not followed"),
            ("oci://h/p:1@sha256:12", "not fetched from a registry"),
        ] {
            let why = Extended::parse(text).unwrap_err();
            assert!(why.contains(want) && !why.contains("secret"), "{text}: {why}");
        }
        let why = Extended::parse(&format!("https://#sha256={HEX}")).unwrap_err();
        assert!(why.contains("no URL"), "{why}");
    }
}
