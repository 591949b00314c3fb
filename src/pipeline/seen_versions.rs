//! The versions that a report says are installed, held against those that are: a report of
//! yesterday's image, or of another one with the same base, is found out by them even when it
//! names no digest.

use std::cmp::Ordering;

use crate::findings::{Class, Finding};
use crate::packages::{Installed, Inventory};

/// A sentence about the findings whose package no image has in the version that the scanner
/// saw; `None` when there are none. `inventories` has one for each platform.
#[must_use]
pub fn unknown_versions(findings: &[Finding], inventories: &[&Inventory]) -> Option<String> {
    let unknown: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.class == Class::System && !finding.installed.is_empty())
        .filter(|finding| {
            !packages_of(finding, inventories).any(|(of, one)| has_version(of, one, finding))
        })
        .collect();
    let example = unknown.first()?;
    let have = match packages_of(example, inventories).next() {
        Some((_, package)) => format!("has {}", package.version),
        None => "does not have that package".to_owned(),
    };
    let many = match unknown.len() {
        1 => "1 finding names a package version".to_owned(),
        n => format!("{n} findings name package versions"),
    };
    Some(format!(
        "{many} that the image does not have (it saw {} {}, the image {have})",
        example.package, example.installed
    ))
}

/// The installed packages that a finding may be about: by binary name, or by source name, which
/// some reports use.
fn packages_of<'a>(
    finding: &'a Finding,
    inventories: &'a [&'a Inventory],
) -> impl Iterator<Item = (&'a Inventory, &'a Installed)> {
    let named = |package: &Installed| {
        package.id.name.as_ref() == finding.package || package.source_name() == finding.package
    };
    let all = inventories.iter().flat_map(|of| of.packages.iter().map(|one| (*of, one)));
    all.filter(move |(_, package)| named(package))
}

fn has_version(of: &Inventory, package: &Installed, finding: &Finding) -> bool {
    [&package.version, package.source_version()]
        .iter()
        .any(|own| of.compare(own.as_ref(), &finding.installed) == Some(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::packages::dpkg::inventory::DpkgInventory;
    use crate::rootfs::{Entry, ImagePath, NoLayers, Tree};

    const STATUS: &str = "Package: libexpat1\nStatus: install ok installed\nSource: expat (2.5.0-1)\n\
        Version: 2.5.0-1+b1\nArchitecture: amd64\nMaintainer: a\nDescription: b\n";

    fn inventory() -> Inventory {
        let status = ImagePath::literal("/var/lib/dpkg/status");
        let entries = [(status, Entry::file(STATUS.as_bytes().to_vec(), 0o644, 0))];
        let tree = Tree::from_entries(entries, Arc::new(NoLayers));
        DpkgInventory::read(&tree).expect("inventory").to_inventory()
    }

    #[test]
    fn only_findings_with_versions_that_nobody_has_are_told() {
        let seen = |package: &str, version: &str| Finding::system("CVE-1", package, version);
        let library = Finding { class: Class::Library, ..seen("requests", "9") };
        let known = [
            seen("libexpat1", "2.5.0-1+b1"),
            seen("libexpat1", "0:2.5.0-1+b1"),
            seen("libexpat1", "2.5.0-1"),
            seen("expat", "2.5.0-1"),
            seen("libexpat1", ""),
            library,
        ];
        assert_eq!(unknown_versions(&known, &[&inventory()]), None);
        let table = [
            (seen("libexpat1", "2.4.9-1"), "it saw libexpat1 2.4.9-1, the image has 2.5.0-1+b1"),
            (seen("libexpat1", "no version"), "the image has 2.5.0-1+b1"),
            (seen("bash", "5"), "it saw bash 5, the image does not have that package"),
        ];
        for (finding, wanted) in table {
            let said = unknown_versions(&[finding], &[&inventory()]).expect(wanted);
            assert!(said.starts_with("1 finding names") && said.contains(wanted), "{said}");
        }
    }
}
