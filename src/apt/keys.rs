//! Which keys may sign a repository: the image's own keyrings, the user's, or the built-in
//! keys of known distributions.
//!
//! - `--keyring` replaces everything else.
//! - A source of the image: its `Signed-By`, else `trusted.gpg` and `trusted.gpg.d`. When the
//!   image has none of these (distroless, or a keyring package that was removed), and the
//!   repository is one of the image's own distribution, the built-in keys of it.
//! - A source that imgfix added: besides, the keyrings that the distribution's packages put in
//!   `/usr/share/keyrings`, and the built-in keys, because the image's may be older than the
//!   suite. Keys of other vendors there (`docker.gpg`) never count for it.
//! - `--repository`: its `signed-by` is a path on this machine; else as for the image.
//!
//! An image's keyring that is too old for a repository which the image itself names is an
//! error, not a reason to use other keys: whom the image trusts is the image's decision.

use crate::sources::{AptSource, SignedBy};
use imgfix_model::path::ImagePath;
use imgfix_repository::repository_url::Origin;
use imgfix_repository::signature::{Keyring, SignatureError};
use imgfix_vfs::{FileSystem, RootfsError};

const DEBIAN: &[u8] = include_bytes!("keyrings/debian-archive-keyring.gpg");
const UBUNTU: &[u8] = include_bytes!("keyrings/ubuntu-archive-keyring.gpg");

/// Where apt's globally trusted keys are: apt-key(8).
const TRUSTED: &str = "/etc/apt/trusted.gpg.d";

/// Where packages put keyrings for `Signed-By`.
const SHARED: &str = "/usr/share/keyrings";

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

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// What a source names is not a keyring.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A file cannot be read from its layer, which is not the source's fault.
    #[error(transparent)]
    Read(#[from] RootfsError),
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
) -> Result<Keyring, KeyringError> {
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
        keyring.extend(vendor(fs, distribution)?);
        keyring.extend(builtin(distribution));
    } else if keyring.is_empty() && is_of_distribution(source, distribution) {
        keyring = builtin(distribution);
    }
    Ok(keyring)
}

/// Whether the URL is at a host of the distribution itself.
fn is_of_distribution(source: &AptSource, distribution: &str) -> bool {
    let host = source.url.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next());
    let Some(host) = host else { return false };
    let domain = match distribution {
        "debian" => "debian.org",
        "ubuntu" => "ubuntu.com",
        _ => return false,
    };
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn named(
    file: &str,
    fs: &dyn FileSystem,
    origin: Origin,
    read_host: ReadHost<'_>,
) -> Result<Keyring, KeyringError> {
    let fail = |why: String| SignatureError::Keyring { name: file.to_owned(), why };
    if origin == Origin::User {
        let bytes = read_host(file).map_err(|error| fail(error.to_string()))?;
        return Ok(Keyring::parse(file, &bytes)?);
    }
    let path = ImagePath::new(file).map_err(|error| fail(error.to_string()))?;
    match fs.read(&path) {
        Ok(bytes) => Ok(Keyring::parse(file, &bytes)?),
        // The caller decides what a missing keyring means.
        Err(RootfsError::NotFound(_)) => Ok(Keyring::default()),
        Err(error @ RootfsError::Io { .. }) => Err(error.into()),
        Err(error) => Err(fail(error.to_string()).into()),
    }
}

/// `/etc/apt/trusted.gpg` and `trusted.gpg.d`, as apt-secure(8) reads them. Files that are no
/// keyring are passed over, as apt does.
fn trusted(fs: &dyn FileSystem) -> Result<Keyring, RootfsError> {
    let mut keyring = Keyring::default();
    let single = ImagePath::literal("/etc/apt/trusted.gpg");
    if let Some(bytes) = fs.read_if_readable(&single)?
        && let Ok(keys) = Keyring::parse("/etc/apt/trusted.gpg", &bytes)
    {
        keyring.extend(keys);
    }
    keyring.extend(folder(fs, TRUSTED, b"")?);
    Ok(keyring)
}

/// The distribution's own keyrings in the image, for the repositories that imgfix adds.
fn vendor(fs: &dyn FileSystem, distribution: &str) -> Result<Keyring, RootfsError> {
    match distribution {
        "debian" => folder(fs, SHARED, b"debian-archive-"),
        "ubuntu" => folder(fs, SHARED, b"ubuntu-archive-"),
        _ => Ok(Keyring::default()),
    }
}

/// The keyrings of a folder whose names begin with `prefix`. Files that are no keyring are
/// passed over, as apt does.
fn folder(fs: &dyn FileSystem, name: &'static str, prefix: &[u8]) -> Result<Keyring, RootfsError> {
    let mut keyring = Keyring::default();
    let Ok(folder) = fs.resolve(&ImagePath::literal(name)) else { return Ok(keyring) };
    for path in fs.read_dir(&folder) {
        let name = path.file_name();
        // keys that the distribution has withdrawn stay in the image under such names
        let withdrawn = name.windows(7).any(|part| part == b"removed");
        let keys = name.ends_with(b".gpg") || name.ends_with(b".asc");
        if !keys || withdrawn || !name.starts_with(prefix) {
            continue;
        }
        if let Some(bytes) = fs.read_if_readable(&path)?
            && let Ok(keys) = Keyring::parse(&path.to_string(), &bytes)
        {
            keyring.extend(keys);
        }
    }
    Ok(keyring)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sources::parse_option;
    use imgfix_repository::testing::TestKey;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    #[test]
    fn the_built_in_keys_sign_now() {
        for distribution in ["debian", "ubuntu"] {
            let refused = builtin(distribution).unusable(imgfix_repository::testing::NOW);
            assert!(refused.is_empty(), "{distribution}: {refused:?}");
        }
    }

    #[test]
    fn built_in_keys_are_readable() {
        assert!(builtin("debian").len() > 3);
        assert_eq!(builtin("ubuntu").len(), 3);
        assert!(builtin("arch").is_empty());
    }

    fn image(files: &[(&'static str, Vec<u8>)]) -> Tree {
        let files = files
            .iter()
            .map(|(path, bytes)| (ImagePath::literal(path), Entry::file(bytes.clone(), 0o644, 0)));
        Tree::from_entries(files, Arc::new(NoLayers))
    }

    /// How many certificates count for a source of this origin.
    fn count(tree: &Tree, line: &str, origin: Origin) -> usize {
        let mut source = parse_option(line).unwrap().remove(0);
        source.origin = origin;
        let read_host = |_: &str| Ok(TestKey::new(9).public_binary());
        keyring_for(&source, tree, "debian", &read_host).unwrap().len()
    }

    #[test]
    fn each_source_gets_its_own_keys_and_no_others() {
        let key = |seed| TestKey::new(seed).public_binary();
        let tree = image(&[
            ("/etc/apt/trusted.gpg.d/a.asc", TestKey::new(1).public_armored()),
            ("/etc/apt/trusted.gpg.d/b.gpg", key(2)),
            ("/etc/apt/trusted.gpg.d/c.gpg~", key(3)),
            ("/etc/apt/trusted.gpg", b"KBX nonsense".to_vec()),
            ("/usr/share/keyrings/docker.gpg", key(4)),
            ("/usr/share/keyrings/debian-archive-keyring.gpg", key(5)),
            ("/usr/share/keyrings/debian-archive-removed-keys.gpg", key(6)),
        ]);
        let builtin = builtin("debian").len();
        for (line, origin, want) in [
            ("deb http://deb.debian.org/d x main", Origin::Image, 2),
            ("deb [signed-by=/usr/share/keyrings/docker.gpg] http://d x main", Origin::Image, 1),
            ("deb [signed-by=/keys.gpg] http://d x main", Origin::User, 1),
            ("deb http://deb.debian.org/d x main", Origin::Added, 2 + 1 + builtin),
            // a keyring that is not there: built-in keys for the distribution's own hosts only
            ("deb [signed-by=/no.gpg] http://deb.debian.org/d x main", Origin::Image, builtin),
            ("deb [signed-by=/no.gpg] http://notdebian.org/d x main", Origin::Image, 0),
        ] {
            assert_eq!(count(&tree, line, origin), want, "{line} {origin:?}");
        }
        let bare = image(&[]);
        assert_eq!(count(&bare, "deb http://security.debian.org:80/ x m", Origin::Image), builtin);
        assert_eq!(count(&bare, "deb http://example.org/ x m", Origin::Image), 0);
    }

    #[test]
    fn keys_that_this_machine_cannot_read_are_not_missing_ones() {
        use imgfix_vfs::BrokenDisk;
        let read_host = |_: &str| Ok(Vec::new());
        for (file, line) in [
            ("/etc/apt/trusted.gpg", "deb http://a.example/ x main"),
            ("/etc/apt/trusted.gpg.d/x.gpg", "deb http://a.example/ x main"),
            (
                "/usr/share/keyrings/x.gpg",
                "deb [signed-by=/usr/share/keyrings/x.gpg] http://a.example/ x main",
            ),
        ] {
            let file = (ImagePath::literal(file), BrokenDisk::file(10));
            let tree = Tree::from_entries([file], Arc::new(BrokenDisk));
            let mut source = parse_option(line).unwrap().remove(0);
            source.origin = Origin::Image;
            let error = keyring_for(&source, &tree, "debian", &read_host).unwrap_err();
            assert!(matches!(error, KeyringError::Read(_)), "{line}: {error}");
        }
    }
}
