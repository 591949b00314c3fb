//! `--client-certificate URL=FILE[,KEY]`, and the same in a policy: which files have what is shown
//! to a repository's server that wants to know who asks, as Red Hat's does.
//!
//! In comes the text; out come the paths. Only the command line reads the files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a certificate and its key are, and for what they are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct ClientCertificateFiles {
    /// Everything below it is asked for with the certificate.
    pub url: String,
    /// A PEM file, or a folder as subscription-manager keeps it: `NUMBER.pem`, `NUMBER-key.pem`.
    pub certificate: PathBuf,
    /// The key, where it is in a file of its own.
    pub key: Option<PathBuf>,
}

impl ClientCertificateFiles {
    /// With relative paths as `folder` has them.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        Self {
            certificate: folder.join(self.certificate),
            key: self.key.map(|key| folder.join(key)),
            ..self
        }
    }
}

impl FromStr for ClientCertificateFiles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "want URL=FILE or URL=FILE,KEY, as \
                    https://cdn.redhat.com=/etc/pki/entitlement";
        let (url, files) = text.split_once('=').ok_or(form)?;
        let (certificate, key) = match files.split_once(',') {
            Some((certificate, key)) => (certificate, Some(key)),
            None => (files, None),
        };
        if !url.starts_with("https://") || certificate.is_empty() || key == Some("") {
            return Err(form.to_owned());
        }
        let key = key.map(PathBuf::from);
        Ok(Self { url: url.to_owned(), certificate: certificate.into(), key })
    }
}

impl TryFrom<String> for ClientCertificateFiles {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for ClientCertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.url, self.certificate.display())?;
        self.key.iter().try_for_each(|key| write!(f, ",{}", key.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_behind_a_url() {
        let of = |text: &str| text.parse::<ClientCertificateFiles>();
        let both = of("https://h/p=a.pem,b.pem").unwrap();
        let key = both.key.as_deref();
        assert_eq!((both.url.as_str(), key), ("https://h/p", Some(Path::new("b.pem"))));
        assert_eq!(both.to_string(), "https://h/p=a.pem,b.pem");
        assert_eq!(both.within(Path::new("/p")).to_string(), "https://h/p=/p/a.pem,/p/b.pem");
        assert_eq!(of("https://h=/d").unwrap().within(Path::new("/p")).to_string(), "https://h=/d");
        for bad in ["", "https://h", "http://h=a", "https://h=", "https://h=a,", "https://h=,b"] {
            assert!(of(bad).unwrap_err().contains("URL=FILE,KEY"), "{bad}");
        }
    }
}
