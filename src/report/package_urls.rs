//! The package URLs of what a finding is about.
//!
//! In come what is installed on a platform and a finding; out go the URLs of the packages that it
//! concerns, each in two forms, because tools that join by them compare differently: Syft and
//! Grype compare the whole URL, as an SBOM has it; Trivy asks whether all that a document's URL
//! says is said of the package, and writes a Debian epoch as a qualifier and the release with its
//! point (`distro=debian-12.5`), so that a URL for it says neither release nor source package. It
//! has its own names for some of rpm's distributions, too.
//! Source: `PurlMatches` of <https://github.com/openvex/go-vex/blob/main/pkg/vex/vex.go>,
//! `pkg/purl` of Trivy.

use imgfix_findings::purl::{encode, system_space, trivy_space};
use imgfix_model::component::{Contents, Library};
use imgfix_model::finding::{Class, Finding, Naming};
use imgfix_model::package::{Installed, Inventory};

use super::inventory::{all_libraries, library_url, package_name, package_url, split_epoch};

/// One package under the names that tools have for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageUrl {
    /// As SBOMs have it, with `distro` and `upstream`.
    pub whole: String,
    /// What it has in common with the URLs of every tool.
    pub common: String,
}

impl PackageUrl {
    fn only(url: String) -> Self {
        Self { whole: url.clone(), common: url }
    }
}

/// The packages that a finding is about, as they are installed, each once; never empty. What is
/// not installed (any more) is named without a version, or with `version` when that is known.
#[must_use]
pub fn of_finding(
    contents: Option<&Contents>,
    finding: &Finding,
    version: Option<&str>,
) -> Vec<PackageUrl> {
    let mut all = match finding.class {
        Class::System => system(contents, finding),
        _ => libraries(contents, finding),
    };
    if all.is_empty() {
        all.push(not_installed(contents, finding, version));
    }
    all.sort();
    all.dedup();
    all
}

fn system(contents: Option<&Contents>, finding: &Finding) -> Vec<PackageUrl> {
    let Some(inventory) = contents.and_then(|all| all.packages.as_ref()) else { return Vec::new() };
    let wanted = finding.architecture.as_deref();
    let fits = |one: &&Installed| wanted.is_none_or(|wanted| one.id.architecture.0 == wanted);
    let named = |by: fn(&Installed) -> &str| {
        let all = inventory.present().filter(fits).filter(|one| by(one) == finding.package);
        all.map(|one| system_url(inventory, one)).collect::<Vec<_>>()
    };
    match finding.naming {
        Naming::Source => named(Installed::source_name),
        Naming::Binary => named(|one| one.id.name.as_ref()),
        Naming::Either => {
            let binary = named(|one| one.id.name.as_ref());
            if binary.is_empty() { named(Installed::source_name) } else { binary }
        }
    }
}

fn system_url(inventory: &Inventory, package: &Installed) -> PackageUrl {
    let purl_type = inventory.purl_type;
    let (epoch, version) = split_epoch(package.version.as_ref());
    let common = url(
        &trivy_space(purl_type, &inventory.distribution.id),
        &package_name(purl_type, package.id.name.as_ref()),
        Some(version),
        Some(package.id.architecture.as_ref()),
        epoch,
    );
    PackageUrl { whole: package_url(inventory, package), common }
}

/// `pkg:SPACE/NAME@VERSION?arch=ARCHITECTURE&epoch=EPOCH`, with what is known.
fn url(
    space: &str,
    name: &str,
    version: Option<&str>,
    architecture: Option<&str>,
    epoch: Option<&str>,
) -> String {
    let version = version.map(|version| format!("@{}", encode(version))).unwrap_or_default();
    let qualifiers = [("arch", architecture), ("epoch", epoch)];
    let qualifiers = qualifiers.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let qualifiers: Vec<String> =
        qualifiers.map(|(key, value)| format!("{key}={}", encode(value))).collect();
    let separator = if qualifiers.is_empty() { "" } else { "?" };
    format!("pkg:{space}/{name}{version}{separator}{}", qualifiers.join("&"))
}

fn libraries(contents: Option<&Contents>, finding: &Finding) -> Vec<PackageUrl> {
    let path = finding.path.as_deref().map(|path| path.trim_start_matches('/'));
    let here = |one: &Library| {
        let own = one.path.to_string();
        path.is_none_or(|path| own.trim_start_matches('/') == path)
    };
    let stores = contents.map(|all| all.libraries.as_slice()).unwrap_or_default();
    all_libraries(stores)
        .filter(|(_, library)| library.name.eq_ignore_ascii_case(&finding.package))
        .filter(|(_, library)| here(library))
        .map(|(store, library)| PackageUrl::only(library_url(store, library)))
        .collect()
}

fn not_installed(
    contents: Option<&Contents>,
    finding: &Finding,
    version: Option<&str>,
) -> PackageUrl {
    let version = version.filter(|text| !text.is_empty());
    let (name, arch) = (finding.package.as_str(), finding.architecture.as_deref());
    let inventory = contents.and_then(|all| all.packages.as_ref());
    let Some(inventory) = inventory.filter(|_| finding.class == Class::System) else {
        return PackageUrl::only(url("generic", &encode(name), version, arch, None));
    };
    let (purl_type, distribution) = (inventory.purl_type, &inventory.distribution.id);
    let (epoch, version) = match version {
        Some(version) if purl_type == "rpm" => {
            let (epoch, version) = split_epoch(version);
            (epoch, Some(version))
        }
        version => (None, version),
    };
    let name = package_name(purl_type, name);
    let of = |space: &str| url(space, &name, version, arch, epoch);
    PackageUrl {
        whole: of(&system_space(purl_type, distribution)),
        common: of(&trivy_space(purl_type, distribution)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::before_after::samples;
    use super::*;
    use imgfix_model::component::{Libraries, StoreId};
    use imgfix_model::description::Description;
    use imgfix_model::path::ImagePath;
    use imgfix_versions::VersionOrder;

    fn wholes(finding: &Finding) -> Vec<String> {
        let contents = samples::contents();
        of_finding(Some(&contents), finding, None).into_iter().map(|one| one.whole).collect()
    }

    #[test]
    fn a_source_package_is_all_that_was_built_from_it() {
        let finding = |naming| Finding { naming, ..Finding::system("CVE-1", "openssl", "3") };
        let both = [
            "pkg:deb/debian/libssl3@3.0.15-1~deb12u1?arch=amd64&distro=debian-12&upstream=openssl",
            "pkg:deb/debian/openssl@3.0.15-1~deb12u1?arch=amd64&distro=debian-12",
        ];
        assert_eq!(wholes(&finding(Naming::Source)), both);
        assert_eq!(wholes(&finding(Naming::Either)), both[1..]);
        assert_eq!(wholes(&finding(Naming::Binary)), both[1..]);
        let glibc = Finding::system("CVE-2", "glibc", "2");
        assert_eq!(
            wholes(&glibc),
            ["pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=debian-12&upstream=glibc"]
        );
    }

    #[test]
    fn an_epoch_is_a_qualifier_for_those_who_write_it_so() {
        let contents = samples::contents();
        let finding = Finding::system("CVE-1", "perl-base", "1:5.36.0-7");
        assert_eq!(
            of_finding(Some(&contents), &finding, None),
            [PackageUrl {
                whole: "pkg:deb/debian/perl-base@1:5.36.0-7?arch=amd64&distro=debian-12\
                        &upstream=perl"
                    .into(),
                common: "pkg:deb/debian/perl-base@5.36.0-7?arch=amd64&epoch=1".into(),
            }]
        );
    }

    #[test]
    fn rpms_distributions_have_two_names() {
        let mut contents = samples::contents();
        let inventory = contents.packages.as_mut().unwrap();
        inventory.purl_type = "rpm";
        inventory.distribution.id = "almalinux".into();
        inventory.distribution.version_id = "9.4".into();
        let finding = Finding::system("CVE-1", "perl-base", "1:5.36.0-7");
        let PackageUrl { whole, common } = of_finding(Some(&contents), &finding, None).remove(0);
        assert_eq!(
            whole,
            "pkg:rpm/almalinux/perl-base@5.36.0-7?arch=amd64&distro=almalinux-9.4&epoch=1\
             &upstream=perl-5.36.0-7.src.rpm"
        );
        assert_eq!(common, "pkg:rpm/alma/perl-base@5.36.0-7?arch=amd64&epoch=1");
        let gone = Finding::system("CVE-2", "Gone", "2:1-1");
        let PackageUrl { whole, common } =
            of_finding(Some(&contents), &gone, Some("2:1-1")).remove(0);
        assert_eq!(whole, "pkg:rpm/almalinux/Gone@1-1?epoch=2");
        assert_eq!(common, "pkg:rpm/alma/Gone@1-1?epoch=2");
    }

    #[test]
    fn what_is_not_installed_is_named_all_the_same() {
        let gone =
            Finding { architecture: Some("amd64".into()), ..Finding::system("C", "x+", "1") };
        assert_eq!(wholes(&gone), ["pkg:deb/debian/x%2B?arch=amd64"]);
        let url = of_finding(None, &gone, Some("1"));
        assert_eq!(url[0].common, "pkg:generic/x%2B@1?arch=amd64");
    }

    #[test]
    fn a_library_has_the_name_of_its_own_kind() {
        let place = ImagePath::literal("/app/node_modules");
        let mut contents = samples::contents();
        contents.libraries.push(Libraries {
            store: StoreId::new("node", &place),
            purl_type: "npm",
            order: VersionOrder::DPKG,
            libraries: vec![Library {
                name: "@babel/core".into(),
                version: "7.0.0".into(),
                path: ImagePath::literal("/app/node_modules/@babel/core/package.json"),
                owner: None,
                description: Description::default(),
                mitigated: Vec::new(),
            }],
            unread: Vec::new(),
        });
        let finding = |path: Option<&str>| Finding {
            class: Class::Library,
            path: path.map(str::to_owned),
            ..Finding::system("GHSA-1", "@babel/core", "7.0.0")
        };
        for (path, want) in [
            (None, "pkg:npm/%40babel/core@7.0.0"),
            (Some("app/node_modules/@babel/core/package.json"), "pkg:npm/%40babel/core@7.0.0"),
            (Some("/elsewhere"), "pkg:generic/%40babel%2Fcore"),
        ] {
            assert_eq!(of_finding(Some(&contents), &finding(path), None)[0].whole, want);
        }
    }
}
