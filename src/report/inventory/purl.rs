//! Package URLs of installed packages.
//!
//! Source: the `deb`, `apk` and `rpm` sections of
//! <https://github.com/package-url/purl-spec/blob/main/PURL-TYPES.rst>; `upstream` (the
//! source package) as Syft and Grype write and read it.

use imgfix_findings::purl::{encode, system_space};
use imgfix_model::package::{Installed, Inventory};

/// `pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12&upstream=openssl`.
#[must_use]
pub fn package_url(inventory: &Inventory, package: &Installed) -> String {
    let distribution = &inventory.distribution;
    let mut url = format!("pkg:{}/", system_space(inventory.purl_type, &distribution.id));
    url.push_str(&encode(&package.id.name.0.to_lowercase()));
    url.push('@');
    url.push_str(&encode(&package.version.0));
    // Qualifiers in the order of their names, as the canonical form asks for.
    let mut separator = '?';
    let mut qualifier = |key: &str, value: &str| {
        if !value.is_empty() {
            url.push_str(&format!("{separator}{key}={}", encode(value)));
            separator = '&';
        }
    };
    qualifier("arch", &package.id.architecture.0);
    if !distribution.id.is_empty() {
        let release = match distribution.version_id.as_str() {
            "" => &distribution.codename,
            version => version,
        };
        let distro = format!("{}-{release}", distribution.id);
        qualifier("distro", distro.trim_end_matches('-'));
    }
    if let Some((name, version)) = &package.source {
        if version == &package.version {
            qualifier("upstream", &name.0);
        } else {
            qualifier("upstream", &format!("{name}@{version}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgfix_model::package::{Distribution, PackageId};
    use imgfix_versions::VersionOrder;

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
        ] {
            assert_eq!(package_url(&inventory, &package), want);
        }
    }
}
