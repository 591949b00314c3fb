//! Package URLs of images and of installed packages.
//!
//! Source: the `oci`, `deb`, `apk` and `rpm` sections of
//! <https://github.com/package-url/purl-spec/blob/main/PURL-TYPES.rst>; `upstream` (the
//! source package) as Syft and Grype write and read it.

use imgfix_findings::purl::{encode, system_space};
use imgfix_model::digest::Digest;
use imgfix_model::package::{Installed, Inventory};
use imgfix_model::platform::Platform;

use super::release;

/// The transports of references whose image is on disk: no registry has it under that name.
const LOCAL: [&str; 3] = ["oci:", "oci-archive:", "docker-archive:"];

/// `pkg:oci/app@sha256:...?arch=amd64&repository_url=registry.example/team/app&tag=1.0`: one
/// platform's image, by the digest of its manifest. `reference` is the image as it is shown
/// (`docker://registry.example/team/app:1.0`). An image on disk has no repository.
#[must_use]
pub fn image_url(reference: &str, manifest: &Digest, platform: &Platform) -> String {
    let on_disk = LOCAL.iter().find_map(|transport| reference.strip_prefix(transport));
    let place = on_disk.unwrap_or_else(|| reference.trim_start_matches("docker://"));
    let place = place.split('@').next().unwrap_or_default();
    let folder = place.rfind('/').map_or("", |slash| &place[..=slash]);
    let last = &place[folder.len()..];
    let (whole, tag) = last.rsplit_once(':').unwrap_or((last, ""));
    // An archive's name of the image stands behind the file's: `app.tar:app:1.0`.
    let name = whole.rsplit(':').next().filter(|name| !name.is_empty()).unwrap_or("image");
    let mut url =
        format!("pkg:oci/{}@{}", encode(&name.to_lowercase()), encode(&manifest.to_string()));
    let mut qualifiers = Qualifiers::of(&mut url);
    qualifiers.add("arch", &platform.architecture);
    if on_disk.is_none() {
        qualifiers.add("repository_url", &format!("{folder}{name}"));
    }
    qualifiers.add("tag", tag);
    url
}

/// Writes qualifiers behind a package URL. The canonical form wants them in the order of their
/// names.
struct Qualifiers<'a> {
    url: &'a mut String,
    separator: char,
}

impl<'a> Qualifiers<'a> {
    fn of(url: &'a mut String) -> Self {
        Self { url, separator: '?' }
    }

    /// Adds one; one without a value is left out. The canonical form leaves `/` in a value.
    fn add(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            let value = encode(value).replace("%2F", "/");
            self.url.push(self.separator);
            self.url.push_str(&format!("{key}={value}"));
            self.separator = '&';
        }
    }
}

/// `pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12&upstream=openssl`; of rpm
/// `pkg:rpm/rocky/openssl-libs@3.0.7-1.el9?arch=x86_64&distro=rocky-9.4&epoch=1` and the file of the
/// source package, as Syft has it.
#[must_use]
pub fn package_url(inventory: &Inventory, package: &Installed) -> String {
    let distribution = &inventory.distribution;
    let (purl_type, version) = (inventory.purl_type, package.version.as_ref());
    let is_rpm = purl_type == "rpm";
    let (epoch, rest) = if is_rpm { split_epoch(version) } else { (None, version) };
    let mut url = format!(
        "pkg:{}/{}@{}",
        system_space(purl_type, &distribution.id),
        package_name(purl_type, package.id.name.as_ref()),
        encode(rest)
    );
    let mut qualifiers = Qualifiers::of(&mut url);
    qualifiers.add("arch", &package.id.architecture.0);
    if !distribution.id.is_empty() {
        let distro = format!("{}-{}", distribution.id, release(distribution).unwrap_or_default());
        qualifiers.add("distro", distro.trim_end_matches('-'));
    }
    qualifiers.add("epoch", epoch.unwrap_or_default());
    if is_rpm {
        let (_, version) = split_epoch(package.source_version().as_ref());
        qualifiers.add("upstream", &format!("{}-{version}.src.rpm", package.source_name()));
    } else if let Some((name, version)) = &package.source {
        if version == &package.version {
            qualifiers.add("upstream", &name.0);
        } else {
            qualifiers.add("upstream", &format!("{name}@{version}"));
        }
    }
    url
}

/// A package's name, as URLs of its kind have it: only rpm's may have capitals.
#[must_use]
pub fn package_name(purl_type: &str, name: &str) -> String {
    match purl_type {
        "rpm" => encode(name),
        _ => encode(&name.to_lowercase()),
    }
}

/// The epoch, when the version has one, and the version behind it.
#[must_use]
pub fn split_epoch(version: &str) -> (Option<&str>, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::package::{Distribution, PackageId};
    use imgfix_versions::VersionOrder;

    #[test]
    fn images_are_named_by_digest_and_where_they_are_served() {
        let manifest = Digest::of(b"manifest");
        let platform = "linux/arm64/v8".parse().unwrap();
        for (reference, name, rest) in [
            (
                "docker://registry.example:5000/Team/app:1.0",
                "app",
                "&repository_url=registry.example:5000/Team/app&tag=1.0",
            ),
            ("registry.example/app@sha256:1234", "app", "&repository_url=registry.example/app"),
            (
                "registry.example/app:1.0@sha256:1234",
                "app",
                "&repository_url=registry.example/app&tag=1.0",
            ),
            ("app", "app", "&repository_url=app"),
            ("oci:/srv/My image:12", "my%20image", "&tag=12"),
            ("oci-archive:app.tar", "app.tar", ""),
            ("docker-archive:/tmp/app.tar:team/app:1.0", "app", "&tag=1.0"),
            ("docker-archive:app.tar:app:1.0", "app", "&tag=1.0"),
            ("docker-archive:app.tar:@0", "app.tar", ""),
            ("oci:/", "image", ""),
        ] {
            let want = format!("pkg:oci/{name}@{manifest}?arch=arm64{rest}");
            assert_eq!(image_url(reference, &manifest, &platform), want, "{reference}");
        }
    }

    #[test]
    fn every_part_is_encoded() {
        let of = |purl_type, id: &str, version_id: &str, codename: &str| Inventory {
            family: "the package manager",
            purl_type,
            order: VersionOrder::DPKG,
            distribution: Distribution {
                id: id.into(),
                version_id: version_id.into(),
                codename: codename.into(),
                ..Distribution::default()
            },
            packages: Vec::new(),
            unfinished: Vec::new(),
        };
        let inventory = |id, version_id, codename| of("deb", id, version_id, codename);
        let package = |name: &str, version: &str, source: Option<(&str, &str)>| Installed {
            id: PackageId { name: name.into(), architecture: "amd64".into() },
            version: version.into(),
            source: source.map(|(name, version)| (name.into(), version.into())),
            held: false,
        };
        for (inventory, package, want) in [
            (
                inventory("debian", "12", "bookworm"),
                package("libstdc++6", "1:12.2.0-14~x+b1", Some(("gcc-12", "12.2.0-14"))),
                "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14~x%2Bb1?arch=amd64&distro=debian-12\
                 &upstream=gcc-12%4012.2.0-14",
            ),
            (
                inventory("debian", "", "trixie"),
                package("a", "1", Some(("b", "1"))),
                "pkg:deb/debian/a@1?arch=amd64&distro=debian-trixie&upstream=b",
            ),
            (inventory("", "", ""), package("a?b", "1", None), "pkg:deb/a%3Fb@1?arch=amd64"),
            (
                of("apk", "alpine", "3.20.3", ""),
                package("ssl_client", "1.36.1-r29", Some(("busybox", "1.36.1-r29"))),
                "pkg:apk/alpine/ssl_client@1.36.1-r29?arch=amd64&distro=alpine-3.20.3\
                 &upstream=busybox",
            ),
            (inventory("x", "", ""), package("a", "1", None), "pkg:deb/x/a@1?arch=amd64&distro=x"),
            (
                of("rpm", "rhel", "9.4", ""),
                package("openssl-libs", "1:3.0.7-27.el9", Some(("openssl", "1:3.0.7-27.el9"))),
                "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=amd64&distro=rhel-9.4&epoch=1\
                 &upstream=openssl-3.0.7-27.el9.src.rpm",
            ),
            (
                of("rpm", "opensuse-leap", "15.6", ""),
                package("ImageMagick", "7.1.0~1-1+2", None),
                "pkg:rpm/opensuse/ImageMagick@7.1.0~1-1%2B2?arch=amd64&distro=opensuse-leap-15.6\
                 &upstream=ImageMagick-7.1.0~1-1%2B2.src.rpm",
            ),
        ] {
            assert_eq!(package_url(&inventory, &package), want);
        }
    }
}
