//! Which keys may sign a repository and its packages: the image's own, the user's, or the
//! built-in keys of known distributions.
//!
//! - `--keyring` replaces everything else.
//! - A source of the image: the files of the image that its `gpgkey` names, and the keys that
//!   its rpm database has, which rpm verifies packages with. When there is none of these, and the
//!   repository is one of the image's own distribution, the built-in keys of it.
//! - `--repository`: its `gpgkey` is a path on this machine; else the keys of the image's rpm
//!   database, or the built-in ones, as above.
//! - A source that imgfix added: the built-in keys, those of the database, and the distribution's
//!   in `/etc/pki/rpm-gpg`.
//!
//! A `gpgkey` that is a URL is not fetched: whoever answers there would be trusted.

use super::sources::RpmSource;
use imgfix_model::path::ImagePath;
use imgfix_repository::repository_url::Origin;
use imgfix_repository::signature::{Keyring, SignatureError};
use imgfix_vfs::{FileSystem, RootfsError};

macro_rules! key {
    ($name:literal) => {
        ($name, include_bytes!(concat!("keyrings/", $name)) as &[u8])
    };
}

/// A built-in key: its file's name, and its content.
type Builtin = (&'static str, &'static [u8]);

const RED_HAT: &[Builtin] = &[
    key!("RPM-GPG-KEY-redhat6-release"),
    key!("RPM-GPG-KEY-redhat7-release"),
    key!("RPM-GPG-KEY-redhat8-release"),
    key!("RPM-GPG-KEY-redhat9-release"),
    key!("RPM-GPG-KEY-redhat10-release-without-PQC"),
];
const CENTOS: &[Builtin] = &[
    key!("RPM-GPG-KEY-CentOS-7"),
    key!("RPM-GPG-KEY-CentOS-9"),
    key!("RPM-GPG-KEY-CentOS-Official"),
];
const ALMA: &[Builtin] = &[
    key!("RPM-GPG-KEY-AlmaLinux-8"),
    key!("RPM-GPG-KEY-AlmaLinux-9"),
    key!("RPM-GPG-KEY-AlmaLinux-10"),
];
const ROCKY: &[Builtin] =
    &[key!("RPM-GPG-KEY-Rocky-8"), key!("RPM-GPG-KEY-Rocky-9"), key!("RPM-GPG-KEY-Rocky-10")];
const ORACLE: &[Builtin] = &[
    key!("RPM-GPG-KEY-oracle-ol7"),
    key!("RPM-GPG-KEY-oracle-ol8"),
    key!("RPM-GPG-KEY-oracle-ol9"),
];
const AMAZON: &[Builtin] =
    &[key!("RPM-GPG-KEY-amazon-linux-2"), key!("RPM-GPG-KEY-amazon-linux-2023")];
const SUSE: &[Builtin] = &[key!("RPM-GPG-KEY-SuSE-SLE-12"), key!("RPM-GPG-KEY-SuSE-SLE-15")];
const OPENSUSE: &[Builtin] = &[key!("RPM-GPG-KEY-openSUSE"), key!("RPM-GPG-KEY-openSUSE-2022")];
const FEDORA: &[Builtin] = &[key!("RPM-GPG-KEY-fedora-44-primary")];
const MICROSOFT: &[Builtin] = &[key!("MICROSOFT-RPM-GPG-KEY"), key!("MICROSOFT-METADATA-GPG-KEY")];

/// The domains of a distribution (`ID` of os-release), and the keys of what is there.
fn repositories_of(distribution: &str) -> &'static [(&'static str, &'static [Builtin])] {
    match distribution {
        "rhel" => &[("redhat.com", RED_HAT)],
        "centos" => &[("centos.org", CENTOS)],
        "almalinux" => &[("almalinux.org", ALMA)],
        "rocky" => &[("rockylinux.org", ROCKY)],
        "ol" => &[("oracle.com", ORACLE)],
        "amzn" => &[("amazonlinux.com", AMAZON), ("amazonaws.com", AMAZON)],
        "sles" | "sled" | "sle_hpc" => &[("suse.com", SUSE)],
        "opensuse-leap" | "opensuse-tumbleweed" | "opensuse" => {
            &[("opensuse.org", OPENSUSE), ("opensuse.org", SUSE)]
        }
        "fedora" => &[("fedoraproject.org", FEDORA)],
        "mariner" | "azurelinux" => &[("packages.microsoft.com", MICROSOFT)],
        _ => &[],
    }
}

/// Why there is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// What the user names is no keyring.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A file of the image cannot be read from its layer.
    #[error(transparent)]
    Read(#[from] RootfsError),
}

/// Reads a file of the host, for `gpgkey` of a `--repository`.
pub type ReadHost<'a> = &'a dyn Fn(&str) -> std::io::Result<Vec<u8>>;

/// The keys that imgfix brings for the repository of a distribution at this URL.
#[must_use]
pub fn builtin(url: &str, distribution: &str) -> Keyring {
    let mut keyring = Keyring::default();
    for (_, keys) in repositories_of(distribution).iter().filter(|(domain, _)| is_at(url, domain)) {
        for (name, bytes) in *keys {
            // a test reads them all
            if let Ok(key) = Keyring::parse(&format!("the built-in {name}"), bytes) {
                keyring.extend(key);
            }
        }
    }
    keyring
}

/// The keys that may sign `source` and its packages. `installed` are those of the rpm database.
///
/// # Errors
/// A key that the user names is missing or none; a file cannot be read from its layer.
pub fn keyring_for(
    source: &RpmSource,
    fs: &dyn FileSystem,
    installed: &Keyring,
    distribution: &str,
    read_host: ReadHost<'_>,
) -> Result<Keyring, KeysError> {
    let mut keyring = Keyring::default();
    if source.origin == Origin::User && !source.keys.is_empty() {
        for file in &source.keys {
            let path = file.strip_prefix("file://").unwrap_or(file);
            let bytes = read_host(path).map_err(|error| SignatureError::Keyring {
                name: file.clone(),
                why: error.to_string(),
            })?;
            keyring.extend(Keyring::parse(file, &bytes)?);
        }
        return Ok(keyring);
    }
    for file in source.keys.iter().filter(|_| source.origin == Origin::Image) {
        let Some(path) = file.strip_prefix("file:").map(|rest| rest.trim_start_matches('/')) else {
            continue;
        };
        let Ok(path) = ImagePath::new(format!("/{path}")) else { continue };
        // dnf goes on with its other keys, too
        if let Some(bytes) = fs.read_if_readable(&path)?
            && let Ok(keys) = Keyring::parse(&path.to_string(), &bytes)
        {
            keyring.extend(keys);
        }
    }
    keyring.extend(installed.clone());
    let place = source.place();
    if source.origin == Origin::Added {
        keyring.extend(folder(fs)?);
    }
    if source.origin == Origin::Added || keyring.is_empty() {
        keyring.extend(builtin(place, distribution));
    }
    Ok(keyring)
}

/// The keys that the distribution's packages put into the image.
fn folder(fs: &dyn FileSystem) -> Result<Keyring, RootfsError> {
    let mut keyring = Keyring::default();
    let Ok(folder) = fs.resolve(&ImagePath::literal("/etc/pki/rpm-gpg")) else {
        return Ok(keyring);
    };
    for path in fs.read_dir(&folder) {
        if let Some(bytes) = fs.read_if_readable(&path)?
            && let Ok(keys) = Keyring::parse(&path.to_string(), &bytes)
        {
            keyring.extend(keys);
        }
    }
    Ok(keyring)
}

/// Whether the URL's host is the domain or below it.
fn is_at(url: &str, domain: &str) -> bool {
    let host = url.split("://").nth(1).and_then(|rest| rest.split(['/', ':', '?']).next());
    let below = host.and_then(|host| host.strip_suffix(domain));
    below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    #[test]
    fn built_in_keys_are_readable() {
        let all = [RED_HAT, CENTOS, ALMA, ROCKY, ORACLE, AMAZON, SUSE, OPENSUSE, FEDORA, MICROSOFT];
        for (name, bytes) in all.concat() {
            assert!(!Keyring::parse(name, bytes).unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn built_in_keys_count_for_their_distributions_repositories_only() {
        for (url, distribution, some) in [
            ("https://cdn-ubi.redhat.com/content/x", "rhel", true),
            ("https://cdn-ubi.redhat.com.evil.example/x", "rhel", false),
            ("https://evilredhat.com/x", "rhel", false),
            ("https://cdn-ubi.redhat.com/x", "rocky", false),
            ("https://packages.microsoft.com/azurelinux", "azurelinux", true),
            ("https://mirrors.rockylinux.org/mirrorlist?x", "rocky", true),
            ("https://x.example", "x", false),
        ] {
            assert_eq!(!builtin(url, distribution).is_empty(), some, "{url} {distribution}");
        }
    }

    #[test]
    fn the_images_own_keys_come_first() {
        let file = |path: &'static str, bytes: &[u8]| {
            (ImagePath::literal(path), Entry::file(bytes.to_vec(), 0o644, 0))
        };
        let tree = Tree::from_entries(
            [file("/etc/pki/rpm-gpg/own", FEDORA[0].1), file("/etc/pki/rpm-gpg/README", b"x")],
            Arc::new(NoLayers),
        );
        let none = |_: &str| Err(std::io::Error::other("no host"));
        let source = |url: &str, keys: &[&str], origin| RpmSource {
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            ..RpmSource::at("x", url, origin)
        };
        let count = |source: &RpmSource, installed: &Keyring| {
            keyring_for(source, &tree, installed, "rocky", &none).unwrap().len()
        };
        let empty = Keyring::default();
        let rocky = "https://dl.rockylinux.org/x";
        let own = ["file:///etc/pki/rpm-gpg/own", "file:///missing", "https://x/key"];
        assert_eq!(count(&source(rocky, &own, Origin::Image), &empty), 1);
        let all = builtin(rocky, "rocky").len();
        assert!(all >= 3);
        assert_eq!(count(&source(rocky, &[], Origin::Image), &empty), all);
        assert_eq!(count(&source("https://other", &[], Origin::Image), &empty), 0);
        let installed = Keyring::parse("x", AMAZON[0].1).unwrap();
        assert_eq!(count(&source(rocky, &[], Origin::Image), &installed), 1);
        assert_eq!(count(&source(rocky, &[], Origin::Added), &installed), all + 2);
        let user = source("https://other", &["/k"], Origin::User);
        assert!(keyring_for(&user, &tree, &installed, "rocky", &none).is_err());
        let host = |_: &str| Ok(AMAZON[1].1.to_vec());
        assert_eq!(keyring_for(&user, &tree, &installed, "rocky", &host).unwrap().len(), 1);
    }
}
