//! `--client-certificate`: its files read.
//!
//! In come the paths that the user gave; out come certificates with their keys. This is before the
//! process is confined, so that nothing of an image is near when a key is read.

use std::path::{Path, PathBuf};

use imgfix_host::tls::Identity;
use imgfix_repository::ClientCertificate;

use super::exit::Failure;
use super::options::read_file;
use crate::policy::ClientCertificateFiles;

const OPTION: &str = "--client-certificate";

/// The largest file of certificates or keys, in bytes.
const MAX_PEM: u64 = 1 << 20;

/// Reads them all.
///
/// # Errors
/// A file cannot be read, has no certificate or no key, or they do not belong together; the URL
/// is none.
pub fn read(all: &[ClientCertificateFiles]) -> Result<Vec<ClientCertificate>, Failure> {
    all.iter().map(one).collect()
}

fn one(files: &ClientCertificateFiles) -> Result<ClientCertificate, Failure> {
    let fail = |why: String| Failure::Usage(format!("{OPTION} {files}: {why}"));
    let (certificate, key) = match (&files.key, files.certificate.is_dir()) {
        (None, true) => entitlement(&files.certificate).map_err(fail)?,
        (key, _) => {
            (files.certificate.clone(), key.clone().unwrap_or_else(|| files.certificate.clone()))
        }
    };
    let chain = read_file(OPTION, &certificate, MAX_PEM)?;
    let key = match key == certificate {
        true => chain.clone(),
        false => read_file(OPTION, &key, MAX_PEM)?,
    };
    let identity = Identity::from_pem(&chain, &key).map_err(fail)?;
    ClientCertificate::new(&files.url, identity).map_err(fail)
}

/// The one certificate of a folder of subscription-manager's, and its key.
fn entitlement(folder: &Path) -> Result<(PathBuf, PathBuf), String> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    for entry in entries.map_err(|error| format!("cannot read the folder: {error}"))? {
        let path = entry.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(certificate) = name.strip_suffix("-key.pem") {
            found.push((folder.join(format!("{certificate}.pem")), path));
        }
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => Err("the folder has no key (NUMBER-key.pem)".to_owned()),
        _ => Err(format!(
            "the folder has {} keys; name one: URL={}",
            found.len(),
            [&found[0].0, &found[0].1].map(|path| path.display().to_string()).join(",")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let why = |dir: &Path| entitlement(dir).unwrap_err();
        assert!(why(dir.path()).contains("no key"));
        for name in ["1.pem", "1-key.pem", "other.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let pair = entitlement(dir.path()).unwrap();
        assert_eq!(pair, (dir.path().join("1.pem"), dir.path().join("1-key.pem")));
        std::fs::write(dir.path().join("2-key.pem"), "").unwrap();
        assert!(why(dir.path()).contains("2 keys; name one: URL="));
        assert!(why(&dir.path().join("away")).contains("cannot read the folder"));
    }
}
