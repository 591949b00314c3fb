//! Which installed packages a finding is about: by the name of the binary package, of the
//! source package, or either, as its report's format has it.

use imgfix_findings::same_architecture;
use imgfix_model::finding::{Finding, Naming};
use imgfix_model::package::{PackageId, is_independent};

/// An installed package's names.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub id: &'a PackageId,
    /// Of the source package it was built from (apk: the origin).
    pub source: &'a str,
}

/// Which of the packages a finding concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// Positions in the list that was asked about, in its order; never empty.
    Packages(Vec<usize>),
    /// Packages of that name are there, for other architectures than the finding says.
    OtherArchitecture {
        /// The finding's.
        wanted: String,
        /// The installed ones, sorted.
        installed: Vec<String>,
    },
    /// No package has that name.
    Nothing,
}

impl Concern {
    /// The positions; none unless packages are concerned.
    #[must_use]
    pub fn packages(&self) -> &[usize] {
        match self {
            Concern::Packages(at) => at,
            _ => &[],
        }
    }
}

/// The packages that `finding` is about.
#[must_use]
pub fn concerned<'a>(finding: &Finding, packages: impl Iterator<Item = Named<'a>>) -> Concern {
    let packages: Vec<Named<'a>> = packages.collect();
    let wanted = finding.package.as_str();
    let those = |is_meant: &dyn Fn(&Named<'_>) -> bool| -> Vec<usize> {
        let all = packages.iter().enumerate();
        all.filter(|(_, package)| is_meant(package)).map(|(at, _)| at).collect()
    };
    let by_name = || those(&|package| package.id.name.as_ref() == wanted);
    let by_source = || those(&|package| package.source == wanted);
    let or = |first: Vec<usize>, second: &dyn Fn() -> Vec<usize>| match first.is_empty() {
        true => second(),
        false => first,
    };
    let named = match finding.naming {
        Naming::Binary => or(by_name(), &by_source),
        Naming::Source => or(by_source(), &by_name),
        Naming::Either => {
            those(&|package| package.id.name.as_ref() == wanted || package.source == wanted)
        }
    };
    if named.is_empty() {
        return Concern::Nothing;
    }
    let Some(architecture) = finding.architecture.as_deref() else {
        return Concern::Packages(named);
    };
    let own = |at: &usize| packages.get(*at).map_or("", |one| one.id.architecture.as_ref());
    let (same, other): (Vec<usize>, Vec<usize>) =
        named.into_iter().partition(|at| is_same_architecture(own(at), architecture));
    if same.is_empty() {
        let mut installed: Vec<String> = other.iter().map(|at| own(at).to_owned()).collect();
        installed.sort();
        installed.dedup();
        return Concern::OtherArchitecture { wanted: architecture.to_owned(), installed };
    }
    Concern::Packages(same)
}

/// Whether two words name one architecture, or one of them speaks of all.
fn is_same_architecture(a: &str, b: &str) -> bool {
    let speaks_of_all = |word: &str| is_independent(word) || matches!(word, "any" | "source");
    speaks_of_all(a) || speaks_of_all(b) || same_architecture(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian 12's packages of `openssl`, and one whose source has no binary of its name.
    const INSTALLED: [(&str, &str, &str); 6] = [
        ("libssl3", "amd64", "openssl"),
        ("libssl3", "i386", "openssl"),
        ("openssl", "amd64", "openssl"),
        ("liblzma5", "amd64", "xz-utils"),
        ("tzdata", "all", "tzdata"),
        ("gcc", "amd64", "gcc-defaults"),
    ];

    fn concern(finding: &Finding) -> String {
        let ids: Vec<(PackageId, &str)> = INSTALLED
            .iter()
            .map(|(name, architecture, source)| {
                let id = PackageId { name: (*name).into(), architecture: (*architecture).into() };
                (id, *source)
            })
            .collect();
        let named = ids.iter().map(|(id, source)| Named { id, source });
        match concerned(finding, named) {
            Concern::Packages(at) => {
                let names: Vec<String> =
                    at.iter().filter_map(|at| ids.get(*at)).map(|(id, _)| id.to_string()).collect();
                names.join(" ")
            }
            Concern::OtherArchitecture { wanted, installed } => {
                format!("not {wanted}: {}", installed.join(" "))
            }
            Concern::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn names_are_read_as_the_format_means_them() {
        for (naming, package, architecture, want) in [
            (Naming::Binary, "openssl", None, "openssl:amd64"),
            (Naming::Source, "openssl", None, "libssl3:amd64 libssl3:i386 openssl:amd64"),
            (Naming::Either, "openssl", None, "libssl3:amd64 libssl3:i386 openssl:amd64"),
            (Naming::Binary, "xz-utils", None, "liblzma5:amd64"),
            (Naming::Source, "liblzma5", None, "liblzma5:amd64"),
            (Naming::Either, "gcc", None, "gcc:amd64"),
            (Naming::Either, "bash", None, "nothing"),
            (Naming::Source, "openssl", Some("amd64"), "libssl3:amd64 openssl:amd64"),
            (Naming::Source, "openssl", Some("x86_64"), "libssl3:amd64 openssl:amd64"),
            (Naming::Source, "openssl", Some("X86_64"), "libssl3:amd64 openssl:amd64"),
            (Naming::Binary, "libssl3", Some("i686"), "libssl3:i386"),
            (Naming::Binary, "libssl3", Some("any"), "libssl3:amd64 libssl3:i386"),
            (Naming::Binary, "libssl3", Some("source"), "libssl3:amd64 libssl3:i386"),
            (Naming::Binary, "libssl3", Some("arm64"), "not arm64: amd64 i386"),
            (Naming::Binary, "tzdata", Some("arm64"), "tzdata:all"),
            (Naming::Binary, "gcc", Some("all"), "gcc:amd64"),
        ] {
            let finding = Finding {
                naming,
                architecture: architecture.map(Into::into),
                ..Finding::system("CVE-1", package, "1")
            };
            assert_eq!(concern(&finding), want, "{naming:?} {package} {architecture:?}");
        }
    }
}
