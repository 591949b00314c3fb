//! Which components a finding is about: packages by the name of the binary package, of the source
//! package, or either, as its report's format has it; libraries by name and place.

use imgfix_findings::same_architecture;
use imgfix_model::component::Component;
use imgfix_model::finding::{Class, Finding, Naming};
use imgfix_model::package::is_independent;
use imgfix_model::path::ImagePath;

/// Which of the components of a store a finding concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// Positions in the list that was asked about, in its order; never empty.
    Components(Vec<usize>),
    /// Components of that name are there, for other architectures than the finding says.
    OtherArchitecture {
        /// The finding's.
        wanted: String,
        /// The installed ones, sorted.
        installed: Vec<String>,
    },
    /// No component has that name.
    Nothing,
}

impl Concern {
    /// The positions; none unless components are concerned.
    #[must_use]
    pub fn components(&self) -> &[usize] {
        match self {
            Concern::Components(at) => at,
            _ => &[],
        }
    }
}

/// Whether two texts name one component, by the rules of its store.
pub type SameName = fn(&str, &str) -> bool;

/// The components that `finding` is about.
#[must_use]
pub fn concerned(finding: &Finding, components: &[Component<'_>], same: SameName) -> Concern {
    let wanted = finding.package.as_str();
    let those = |is_meant: &dyn Fn(&Component<'_>) -> bool| -> Vec<usize> {
        let all = components.iter().enumerate();
        all.filter(|(_, component)| is_meant(component)).map(|(at, _)| at).collect()
    };
    let by_name = || those(&|component| same(component.name, wanted));
    let by_source = || those(&|component| same(component.source, wanted));
    let or = |first: Vec<usize>, second: &dyn Fn() -> Vec<usize>| match first.is_empty() {
        true => second(),
        false => first,
    };
    let mut named = match finding.naming {
        Naming::Binary => or(by_name(), &by_source),
        Naming::Source => or(by_source(), &by_name),
        Naming::Either => {
            those(&|component| same(component.name, wanted) || same(component.source, wanted))
        }
    };
    if finding.class == Class::Library {
        let path = finding.path.as_deref();
        named.retain(|at| components.get(*at).is_some_and(|one| is_at(one, path)));
    }
    if named.is_empty() {
        return Concern::Nothing;
    }
    let Some(architecture) = finding.architecture.as_deref() else {
        return Concern::Components(named);
    };
    let own = |at: &usize| components.get(*at).and_then(|one| one.architecture).unwrap_or("all");
    let (same, other): (Vec<usize>, Vec<usize>) =
        named.into_iter().partition(|at| is_same_architecture(own(at), architecture));
    if same.is_empty() {
        let mut installed: Vec<String> = other.iter().map(|at| own(at).to_owned()).collect();
        installed.sort();
        installed.dedup();
        return Concern::OtherArchitecture { wanted: architecture.to_owned(), installed };
    }
    Concern::Components(same)
}

/// Whether a component is the one that a report found at `path`: the file that records it, or the
/// folder which that file lies in. A report that says no path speaks of every copy.
fn is_at(component: &Component<'_>, path: Option<&str>) -> bool {
    let (Some(reported), Some(own)) = (path, component.path) else { return true };
    // scanners write paths of images without their first slash
    let Ok(reported) = ImagePath::new(reported) else { return false };
    *own == reported
        || own.parent().is_some_and(|folder| folder == reported)
        || lies_in_archive(own, &reported)
}

/// Whether `own` is the way inside of the archive at `reported`: some scanners name the file only.
fn lies_in_archive(own: &ImagePath, reported: &ImagePath) -> bool {
    let is_archive =
        [".jar", ".war", ".ear"].iter().any(|end| reported.as_bytes().ends_with(end.as_bytes()));
    let inside = own.as_bytes().strip_prefix(reported.as_bytes());
    is_archive && inside.is_some_and(|inside| inside.starts_with(b"/"))
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
        let components = INSTALLED.map(|(name, architecture, source)| Component {
            name,
            version: "1",
            source,
            source_version: "1",
            architecture: Some(architecture),
            path: None,
        });
        match concerned(finding, &components, |a, b| a == b) {
            Concern::Components(at) => {
                let shown = |one: &Component<'_>| {
                    format!("{}:{}", one.name, one.architecture.unwrap_or_default())
                };
                let names: Vec<String> =
                    at.iter().filter_map(|at| components.get(*at)).map(shown).collect();
                names.join(" ")
            }
            Concern::OtherArchitecture { wanted, installed } => {
                format!("not {wanted}: {}", installed.join(" "))
            }
            Concern::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn of_libraries_the_copy_is_meant_that_the_report_found() {
        const PATHS: [&str; 2] = [
            "/usr/lib/node_modules/npm/node_modules/ip/package.json",
            "/app/node_modules/ip/package.json",
        ];
        let paths = PATHS.map(ImagePath::literal);
        let components = paths.each_ref().map(|path| Component {
            name: "ip",
            version: "2.0.0",
            source: "ip",
            source_version: "2.0.0",
            architecture: None,
            path: Some(path),
        });
        for (path, want) in [
            (None, &[0, 1][..]),
            (Some("usr/lib/node_modules/npm/node_modules/ip/package.json"), &[0]),
            (Some("/app/node_modules/ip/package.json"), &[1]),
            (Some("app/node_modules/ip"), &[1]),
            (Some("app/package-lock.json"), &[]),
            (Some("app"), &[]),
            (Some("../app"), &[]),
        ] {
            let finding = Finding {
                class: Class::Library,
                path: path.map(str::to_owned),
                ..Finding::system("CVE-1", "ip", "2.0.0")
            };
            let got = concerned(&finding, &components, |a, b| a == b);
            assert_eq!(got.components(), want, "{path:?}");
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
