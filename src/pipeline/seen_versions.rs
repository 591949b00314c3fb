//! The versions that a report says are installed, held against those that are: a report of
//! yesterday's image, or of another one with the same base, is found out by them even when it
//! names no digest.

use imgfix_model::component::Component;
use imgfix_model::finding::{Class, Finding};
use imgfix_model::package::Inventory;
use imgfix_repair::judge::{self, At, Components, Concern};

/// A sentence about the findings whose package no image has in the version that the scanner
/// saw; `None` when there are none. `inventories` has one for each platform.
#[must_use]
pub fn unknown_versions(findings: &[Finding], inventories: &[&Inventory]) -> Option<String> {
    let unknown: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.class == Class::System && !finding.installed.is_empty())
        .filter(|finding| !inventories.iter().any(|inventory| has(inventory, finding)))
        .collect();
    let example = unknown.first()?;
    let have = inventories
        .iter()
        .find_map(|inventory| told(example, inventory))
        .unwrap_or_else(|| "does not have that package".to_owned());
    let many = match unknown.len() {
        1 => "1 finding names a package version".to_owned(),
        n => format!("{n} findings name package versions"),
    };
    Some(format!(
        "{many} that the image does not have (it saw {} {}, the image {have})",
        example.package, example.installed
    ))
}

fn has(inventory: &Inventory, finding: &Finding) -> bool {
    let packages = Components::of_packages(inventory);
    let concerned = packages.concerned(finding);
    packages
        .at(concerned.components())
        .any(|package| judge::saw(finding, At::of(package), packages.order))
}

/// What the image has in place of what the report saw; `None`: nothing of that name.
fn told(finding: &Finding, inventory: &Inventory) -> Option<String> {
    let packages = Components::of_packages(inventory);
    match packages.concerned(finding) {
        Concern::Components(at) => {
            let package = packages.at(&at).next()?;
            let state = unfinished(package, inventory);
            let state = state.map(|state| format!(", which dpkg left {state}")).unwrap_or_default();
            let name = package.name;
            // the package that was compared, when that is another binary of the same source
            let name = if name == finding.package { String::new() } else { format!("{name} ") };
            Some(format!("has {name}{}{state}", package.version))
        }
        Concern::OtherArchitecture { wanted, installed } => {
            Some(format!("has it for {}, not for {wanted}", installed.join(" and ")))
        }
        Concern::Nothing => None,
    }
}

fn unfinished<'a>(package: &Component<'_>, inventory: &'a Inventory) -> Option<&'a str> {
    let is_it = |one: &Component<'_>| one.is_same(package);
    let found = inventory.unfinished.iter().find(|one| is_it(&Component::from(&one.package)))?;
    Some(&found.state)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_dpkg::inventory::DpkgInventory;
    use imgfix_model::path::ImagePath;
    use imgfix_vfs::{Entry, NoLayers, Tree};

    const STATUS: &str = "Package: libexpat1\nStatus: install ok installed\nSource: expat (2.5.0-1)\n\
        Version: 2.5.0-1+b1\nArchitecture: amd64\nMaintainer: a\nDescription: b\n\n\
        Package: bsdutils\nStatus: install ok installed\nSource: util-linux (2.38.1-5)\n\
        Version: 1:2.38.1-5\nArchitecture: amd64\nMaintainer: a\nDescription: b\n\n\
        Package: login\nStatus: install ok half-configured\nVersion: 1:4.13\n\
        Architecture: amd64\nMaintainer: a\nDescription: b\n";

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
            // an epoch lost on the way
            seen("bsdutils", "2.38.1-5"),
            seen("login", "4.13"),
            library,
        ];
        assert_eq!(unknown_versions(&known, &[&inventory()]), None);
        let table = [
            (seen("libexpat1", "2.4.9-1"), "it saw libexpat1 2.4.9-1, the image has 2.5.0-1+b1"),
            (seen("libexpat1", "no version"), "the image has 2.5.0-1+b1"),
            (seen("bash", "5"), "it saw bash 5, the image does not have that package"),
            // the package that was compared is named
            (seen("expat", "2.4"), "it saw expat 2.4, the image has libexpat1 2.5.0-1+b1"),
            (
                seen("util-linux", "2.36"),
                "it saw util-linux 2.36, the image has bsdutils 1:2.38.1-5",
            ),
            (seen("login", "1:4.12"), "the image has 1:4.13, which dpkg left half-configured"),
            (
                Finding { architecture: Some("arm64".into()), ..seen("libexpat1", "2.5.0-1+b1") },
                "the image has it for amd64, not for arm64",
            ),
        ];
        for (finding, wanted) in table {
            let said = unknown_versions(&[finding], &[&inventory()]).expect(wanted);
            assert!(said.starts_with("1 finding names") && said.contains(wanted), "{said}");
        }
    }
}
