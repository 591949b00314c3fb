//! Which keys may sign an apk repository: the image's own, the user's, or the built-in keys of
//! known distributions.
//!
//! - `--keyring` with an RSA key replaces everything else.
//! - A source of the image, or of the user: the image's `etc/apk/keys` (and `lib/apk/keys`,
//!   which apk 3 reads besides). When it has none of these (distroless images), and the repository
//!   is one of the image's own distribution, the keys that the distribution's package keeps in `usr/share/apk/keys` for
//!   the architecture, and the built-in ones.
//! - A source that imgfix added: all of these.
//!
//! Keys that are there but are not the repository's are an error, not a reason to use other
//! keys: whom the image trusts is the image's decision. Source: apk-keys(5), and Alpine's
//! package alpine-keys.

use crate::sources::ApkSource;
use imgfix_model::path::ImagePath;
use imgfix_repository::repository_url::Origin;
use imgfix_repository::rsa_keys::RsaKeyring as ApkKeyring;
use imgfix_vfs::{FileSystem, RootfsError};

/// The largest key file, in bytes.
const MAX_KEY: u64 = 64 << 10;

/// A built-in key and the architectures whose index it may sign; none: all.
type Builtin = (&'static str, &'static [u8], &'static [&'static str]);

macro_rules! alpine {
    ($id:literal, $architectures:expr) => {
        (
            concat!("alpine-devel@lists.alpinelinux.org-", $id, ".rsa.pub"),
            include_bytes!(concat!(
                "keyrings/alpine/alpine-devel@lists.alpinelinux.org-",
                $id,
                ".rsa.pub"
            )),
            $architectures,
        )
    };
}

/// As the package alpine-keys has them in `usr/share/apk/keys/ARCH`.
const ALPINE: &[Builtin] = &[
    alpine!("4a6a0840", &["x86", "x86_64"]),
    alpine!("5243ef4b", &["x86"]),
    alpine!("524d27bb", &["armhf", "armv7"]),
    alpine!("5261cecb", &["x86_64"]),
    alpine!("58199dcc", &["aarch64"]),
    alpine!("58cbb476", &["ppc64le"]),
    alpine!("58e4f17d", &["s390x"]),
    alpine!("5e69ca50", &["mips64"]),
    alpine!("60ac2099", &["riscv64"]),
    alpine!("6165ee59", &["x86_64"]),
    alpine!("61666e3f", &["x86"]),
    alpine!("616a9724", &["armhf"]),
    alpine!("616abc23", &["ppc64le"]),
    alpine!("616ac3bc", &["s390x"]),
    alpine!("616adfeb", &["armv7"]),
    alpine!("616ae350", &["aarch64"]),
    alpine!("616db30d", &["riscv64"]),
];

const WOLFI: &[Builtin] =
    &[("wolfi-signing.rsa.pub", include_bytes!("keyrings/wolfi/wolfi-signing.rsa.pub"), &[])];

macro_rules! chainguard {
    ($name:literal) => {
        (
            concat!("chainguard-", $name, ".rsa.pub"),
            include_bytes!(concat!("keyrings/chainguard/chainguard-", $name, ".rsa.pub")),
            &[],
        )
    };
}

/// As the package chainguard-keys has them.
const CHAINGUARD: &[Builtin] = &[
    chainguard!("7fb528a64a862d44bbea6069093f1fec29fa864ba7e9754828eeceed3f487239"),
    chainguard!("enterprise"),
    chainguard!("extras"),
];

/// Which repositories are those of a distribution (`ID` of os-release): the domain, and its keys.
/// Chainguard's distribution is built on Wolfi, and images of either take from both.
fn repositories_of(distribution: &str) -> &'static [(&'static str, &'static [Builtin])] {
    match distribution {
        "alpine" => &[("alpinelinux.org", ALPINE)],
        "wolfi" | "chainguard" => &[("wolfi.dev", WOLFI), ("cgr.dev", CHAINGUARD)],
        _ => &[],
    }
}

/// The keys that imgfix brings for the repository of a distribution at this URL.
#[must_use]
pub fn builtin(url: &str, distribution: &str, architecture: &str) -> ApkKeyring {
    let mut keyring = ApkKeyring::default();
    for (_, keys) in repositories_of(distribution).iter().filter(|(domain, _)| is_at(url, domain)) {
        for (name, pem, architectures) in *keys {
            if architectures.is_empty() || architectures.contains(&architecture) {
                // a test reads them all
                let _ = keyring.insert(name, pem);
            }
        }
    }
    keyring
}

/// Whether the URL's host is the domain or below it.
fn is_at(url: &str, domain: &str) -> bool {
    let host = url.split("://").nth(1).and_then(|rest| rest.split(['/', ':']).next());
    let below = host.and_then(|host| host.strip_suffix(domain));
    below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The keys that may sign the indexes of `source`.
///
/// # Errors
/// A key of the image cannot be read from its layer.
pub fn keyring_for(
    source: &ApkSource,
    fs: &dyn FileSystem,
    distribution: &str,
    architecture: &str,
) -> Result<ApkKeyring, RootfsError> {
    let mut keyring = folder(fs, "/etc/apk/keys")?;
    keyring.extend(folder(fs, "/lib/apk/keys")?);
    let own = repositories_of(distribution).iter().any(|(domain, _)| is_at(&source.url, domain));
    if own && (source.origin == Origin::Added || keyring.is_empty()) {
        let plain = architecture.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if plain {
            keyring.extend(folder(fs, &format!("/usr/share/apk/keys/{architecture}"))?);
        }
        keyring.extend(builtin(&source.url, distribution, architecture));
    }
    Ok(keyring)
}

/// The keys of a folder of the image. Files that are no key are passed over: apk never opens
/// them.
fn folder(fs: &dyn FileSystem, path: &str) -> Result<ApkKeyring, RootfsError> {
    let mut keyring = ApkKeyring::default();
    let Ok(folder) = ImagePath::new(path).map_err(drop).and_then(|p| fs.resolve(&p).map_err(drop))
    else {
        return Ok(keyring);
    };
    for path in fs.read_dir(&folder) {
        let size = fs.stat(&path).filter(|entry| entry.is_file()).map(|entry| entry.size());
        if size.is_some_and(|size| size <= MAX_KEY)
            && let Ok(name) = std::str::from_utf8(path.file_name())
            && let Some(pem) = fs.read_if_readable(&path)?
        {
            let _ = keyring.insert(name, &pem);
        }
    }
    Ok(keyring)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sources::Layout;
    use crate::testing::TestKey;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    #[test]
    fn built_in_keys_are_readable() {
        for (keys, want) in [(ALPINE, 17), (WOLFI, 1), (CHAINGUARD, 3)] {
            let mut keyring = ApkKeyring::default();
            for (name, pem, _) in keys {
                keyring.insert(name, pem).unwrap();
            }
            assert_eq!(keyring.len(), want);
        }
    }

    #[test]
    fn built_in_keys_count_for_their_distributions_archives_only() {
        for (url, distribution, architecture, want) in [
            ("https://dl-cdn.alpinelinux.org/alpine/v3.20/main", "alpine", "x86_64", 3),
            ("https://dl-cdn.alpinelinux.org/alpine/v3.20/main", "alpine", "aarch64", 2),
            ("https://dl-cdn.alpinelinux.org/alpine/v3.20/main", "alpine", "sparc", 0),
            ("https://alpinelinux.org.evil.example/main", "alpine", "x86_64", 0),
            ("https://evilalpinelinux.org/main", "alpine", "x86_64", 0),
            ("https://dl-cdn.alpinelinux.org/alpine/v3.20/main", "wolfi", "x86_64", 0),
            ("https://packages.wolfi.dev/os", "wolfi", "x86_64", 1),
            ("https://packages.wolfi.dev/os", "chainguard", "x86_64", 1),
            ("https://apk.cgr.dev/chainguard", "chainguard", "aarch64", 3),
            ("https://packages.wolfi.dev/os", "debian", "x86_64", 0),
        ] {
            let keyring = builtin(url, distribution, architecture);
            assert_eq!(keyring.len(), want, "{url} {distribution} {architecture}");
        }
    }

    fn names(files: &[(&'static str, Vec<u8>)], url: &str, origin: Origin) -> Vec<String> {
        let files = files
            .iter()
            .map(|(path, bytes)| (ImagePath::literal(path), Entry::file(bytes.clone(), 0o644, 0)));
        let tree = Tree::from_entries(files, Arc::new(NoLayers));
        let source = ApkSource {
            url: url.to_owned(),
            layout: Layout::default(),
            login: None,
            tag: None,
            origin,
        };
        let keyring = keyring_for(&source, &tree, "wolfi", "x86_64").unwrap();
        keyring.names().map(str::to_owned).collect()
    }

    #[test]
    fn the_images_own_keys_come_first() {
        let key = || TestKey::new("x").pem().into_bytes();
        let own = [
            ("/etc/apk/keys/own.rsa.pub", key()),
            ("/etc/apk/keys/README", b"no key".to_vec()),
            ("/usr/share/apk/keys/x86_64/shared.rsa.pub", key()),
            ("/usr/share/apk/keys/aarch64/other.rsa.pub", key()),
        ];
        let bare = own.get(2..).unwrap();
        let (wolfi, other) = ("https://packages.wolfi.dev/os", "https://example.org/os");
        let all = ["own.rsa.pub", "shared.rsa.pub", "wolfi-signing.rsa.pub"];
        for origin in [Origin::Image, Origin::User] {
            assert_eq!(names(&own, wolfi, origin), ["own.rsa.pub"]);
            assert_eq!(names(&own, other, origin), ["own.rsa.pub"]);
            assert_eq!(names(bare, wolfi, origin), all[1..]);
            assert!(names(bare, other, origin).is_empty());
        }
        assert_eq!(names(&own, wolfi, Origin::Added), all);
    }

    #[test]
    fn keys_that_this_machine_cannot_read_are_not_missing_ones() {
        use imgfix_vfs::BrokenDisk;
        let file = (ImagePath::literal("/etc/apk/keys/x.rsa.pub"), BrokenDisk::file(10));
        let tree = Tree::from_entries([file], Arc::new(BrokenDisk));
        assert!(folder(&tree, "/etc/apk/keys").is_err());
        assert!(folder(&tree, "/lib/apk/keys").is_ok());
    }
}
