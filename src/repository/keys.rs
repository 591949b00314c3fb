//! Which keys may sign a repository: the image's own keyrings, the user's, or the built-in
//! archive keys of known distributions.
//!
//! - `--keyring` replaces everything else.
//! - A source of the image: its `Signed-By`, else `trusted.gpg` and `trusted.gpg.d`. When the
//!   image has no keyring at all (distroless), the built-in keys of its distribution.
//! - A source that imgfix added: the image's trusted keys and the built-in ones, because the
//!   image's may be older than the suite.
//! - `--repository`: its `signed-by` is a path on this machine; else as for the image.

use super::signature::{Keyring, SignatureError};
use crate::packages::dpkg::sources::{AptSource, Origin, SignedBy};
use crate::rootfs::{FileSystem, ImagePath};

const DEBIAN: &[u8] = include_bytes!("../../repair-recipes/keyrings/debian-archive-keyring.gpg");
const UBUNTU: &[u8] = include_bytes!("../../repair-recipes/keyrings/ubuntu-archive-keyring.gpg");

/// Folders where distributions keep archive keys that no source names.
const KEY_FOLDERS: [&str; 2] = ["/etc/apt/trusted.gpg.d", "/usr/share/keyrings"];

/// Reads a key file of the host: `--repository 'deb [signed-by=PATH] ...'`.
pub type ReadHost<'a> = &'a dyn Fn(&str) -> std::io::Result<Vec<u8>>;

/// The keys that imgfix brings for a distribution (`ID` of os-release).
#[must_use]
pub fn builtin(distribution: &str) -> Keyring {
    let parsed = match distribution {
        "debian" => Keyring::parse("the built-in Debian archive keys", DEBIAN),
        "ubuntu" => Keyring::parse("the built-in Ubuntu archive keys", UBUNTU),
        _ => return Keyring::default(),
    };
    parsed.unwrap_or_default()
}

/// The keys that may sign `source`.
///
/// # Errors
/// A keyring that the source names is missing or unreadable.
pub fn keyring_for(
    source: &AptSource,
    fs: &dyn FileSystem,
    distribution: &str,
    read_host: ReadHost<'_>,
) -> Result<Keyring, SignatureError> {
    let mut keyring = match (&source.signed_by, source.origin) {
        (SignedBy::Trusted, _) => trusted(fs)?,
        (SignedBy::Inline(key), _) => {
            Keyring::parse(&format!("Signed-By of {}", source.describe()), key.as_bytes())?
        }
        (SignedBy::Named { files, fingerprints }, origin) => {
            let mut keyring = Keyring::default();
            for file in files {
                keyring.extend(named(file, fs, origin, read_host)?);
            }
            if files.is_empty() {
                keyring = trusted(fs)?;
            }
            if fingerprints.is_empty() { keyring } else { keyring.only(fingerprints) }
        }
    };
    if source.origin == Origin::Added {
        keyring.extend(vendor(fs));
        keyring.extend(builtin(distribution));
    } else if keyring.is_empty() && source.signed_by == SignedBy::Trusted {
        keyring = builtin(distribution);
    }
    Ok(keyring)
}

fn named(
    file: &str,
    fs: &dyn FileSystem,
    origin: Origin,
    read_host: ReadHost<'_>,
) -> Result<Keyring, SignatureError> {
    let fail = |why: String| SignatureError::Keyring { name: file.to_owned(), why };
    if origin == Origin::User {
        let bytes = read_host(file).map_err(|error| fail(error.to_string()))?;
        return Keyring::parse(file, &bytes);
    }
    let path = ImagePath::new(file).map_err(|error| fail(error.to_string()))?;
    let bytes = fs.read(&path).map_err(|error| fail(error.to_string()))?;
    Keyring::parse(file, &bytes)
}

/// `/etc/apt/trusted.gpg` and `trusted.gpg.d`, as apt-secure(8) reads them. Files that are no
/// keyring are passed over, as apt does.
fn trusted(fs: &dyn FileSystem) -> Result<Keyring, SignatureError> {
    let mut keyring = Keyring::default();
    let single = ImagePath::literal("/etc/apt/trusted.gpg");
    if let Ok(bytes) = fs.read(&single)
        && let Ok(keys) = Keyring::parse("/etc/apt/trusted.gpg", &bytes)
    {
        keyring.extend(keys);
    }
    keyring.extend(folder(fs, KEY_FOLDERS[0]));
    Ok(keyring)
}

/// The distribution's own keyrings in the image, for the archives that imgfix adds.
fn vendor(fs: &dyn FileSystem) -> Keyring {
    folder(fs, KEY_FOLDERS[1])
}

fn folder(fs: &dyn FileSystem, name: &'static str) -> Keyring {
    let mut keyring = Keyring::default();
    let Ok(folder) = fs.resolve(&ImagePath::literal(name)) else { return keyring };
    for path in fs.read_dir(&folder) {
        let name = path.file_name();
        // keys that the distribution has withdrawn stay in the image under such names
        let withdrawn = name.windows(7).any(|part| part == b"removed");
        if !(name.ends_with(b".gpg") || name.ends_with(b".asc")) || withdrawn {
            continue;
        }
        if let Ok(bytes) = fs.read(&path)
            && let Ok(keys) = Keyring::parse(&path.to_string(), &bytes)
        {
            keyring.extend(keys);
        }
    }
    keyring
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_keys_are_readable() {
        assert!(builtin("debian").len() > 3);
        assert!(!builtin("ubuntu").is_empty());
        assert!(builtin("arch").is_empty());
    }
}
