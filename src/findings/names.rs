//! One normalising step for what every format gives: names that carry an architecture
//! (`libexpat1:amd64`, `libexpat1:any`), words for architectures (`X86_64`, `noarch`, a package
//! URL's `arch=source`), blanks where there is no version.
//!
//! In comes a finding as a format's reader made it; out goes the same finding with the bare
//! name, the architecture in its family's words or none, and no blank versions. Fixed versions
//! that are words or zeros stay: whoever judges the finding knows the family's rules.

use super::report::is_blank;
use imgfix_model::finding::{Class, Finding, Naming};

/// Names of one architecture: Debian's, Alpine's (and RPM's), others'.
const ARCHITECTURES: &[[&str; 5]] = &[
    ["amd64", "x86_64", "x86-64", "x64", "x8664"],
    ["arm64", "aarch64", "armv8", "arm64v8", "arm64e"],
    ["i386", "x86", "i686", "i586", "386"],
    ["armhf", "armv7", "armv7l", "armv7hl", "armhfp"],
    ["ppc64el", "ppc64le", "powerpc64le", "powerpc64el", "ppc64el"],
    ["s390x", "s390x", "s390x", "s390x", "s390x"],
    ["riscv64", "riscv64", "riscv64", "riscv64", "riscv64"],
    ["loong64", "loongarch64", "loong64", "loong64", "loong64"],
    ["mips64el", "mips64el", "mips64le", "mips64el", "mips64el"],
    ["armel", "armel", "armv6", "armv5", "armel"],
    ["ppc64", "ppc64", "ppc64", "ppc64", "ppc64"],
    ["mipsel", "mipsel", "mipsle", "mipsel", "mipsel"],
];

/// Words for `of every architecture`, or for none in particular.
const INDEPENDENT: &[&str] = &["all", "any", "noarch", "native", "none", "unknown"];

/// Words for a source package in the place of an architecture.
const SOURCE: &[&str] = &["source", "src", "nosrc"];

/// Whether two words name the same architecture, in whatever family's language (`amd64` and
/// `x86_64`).
#[must_use]
pub fn same_architecture(a: &str, b: &str) -> bool {
    let row = |word: &str| {
        let word = word.to_ascii_lowercase();
        ARCHITECTURES.iter().position(|names| names.contains(&word.as_str()))
    };
    a.eq_ignore_ascii_case(b) || row(a).is_some_and(|row_of_a| row(b) == Some(row_of_a))
}

/// A distribution package's name and the architecture behind its colon, when there is one.
pub(super) fn split_architecture(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((bare, word)) if !bare.is_empty() && is_architecture(word) => (bare, Some(word)),
        _ => (name, None),
    }
}

fn is_architecture(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let word = word.as_str();
    INDEPENDENT.contains(&word)
        || SOURCE.contains(&word)
        || ARCHITECTURES.iter().any(|names| names.contains(&word))
}

/// The normalising step. `family` is the distribution that the report names, if it names one.
pub(super) fn normalise(finding: &mut Finding, family: Option<&str>) {
    finding.package = finding.package.trim().to_owned();
    finding.installed = finding.installed.trim().to_owned();
    let versions: Vec<String> = finding
        .fixed
        .take()
        .into_iter()
        .chain(std::mem::take(&mut finding.also_fixed_in))
        .filter(|version| !is_blank(version))
        .map(|version| version.trim().to_owned())
        .collect();
    let mut versions = versions.into_iter();
    finding.fixed = versions.next();
    finding.also_fixed_in = versions.filter(|one| Some(one) != finding.fixed.as_ref()).collect();
    if finding.class != Class::System {
        // Libraries have no sources beside them.
        finding.naming = Naming::default();
        return;
    }
    let (bare, behind) = split_architecture(&finding.package);
    let (bare, behind) = (bare.to_owned(), behind.map(str::to_owned));
    finding.package = bare;
    let word = finding.architecture.take().or(behind).unwrap_or_default();
    let word = word.trim().to_ascii_lowercase();
    if SOURCE.contains(&word.as_str()) {
        finding.naming = Naming::Source;
    } else if !word.is_empty() && !INDEPENDENT.contains(&word.as_str()) {
        finding.architecture = Some(in_words_of(family, word));
    }
}

/// An architecture in the words of a distribution: scanners have their own.
fn in_words_of(family: Option<&str>, word: String) -> String {
    let column = match family.unwrap_or_default().to_ascii_lowercase().as_str() {
        "debian" | "ubuntu" | "raspbian" | "kali" | "linuxmint" => 0,
        "alpine" | "wolfi" | "chainguard" => 1,
        _ => return word,
    };
    ARCHITECTURES
        .iter()
        .find(|names| names.contains(&word.as_str()))
        .map_or(word, |names| names[column].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(package: &str, architecture: Option<&str>, family: Option<&str>) -> Finding {
        let mut finding = Finding {
            architecture: architecture.map(str::to_owned),
            ..Finding::system("CVE-2024-1", package, " 1.0 ")
        };
        normalise(&mut finding, family);
        assert_eq!(finding.installed, "1.0");
        finding
    }

    #[test]
    fn architectures_leave_the_name_and_take_the_familys_words() {
        for (package, architecture, family, want) in [
            ("libexpat1:amd64", None, None, ("libexpat1", Some("amd64"), Naming::Either)),
            ("libexpat1:arm64", Some("arm64"), None, ("libexpat1", Some("arm64"), Naming::Either)),
            ("libexpat1:any", None, None, ("libexpat1", None, Naming::Either)),
            ("libexpat1:all", None, None, ("libexpat1", None, Naming::Either)),
            ("libexpat1:native", None, None, ("libexpat1", None, Naming::Either)),
            ("glibc", Some("source"), None, ("glibc", None, Naming::Source)),
            ("glibc", Some("src"), None, ("glibc", None, Naming::Source)),
            ("a", Some("noarch"), None, ("a", None, Naming::Either)),
            ("a", Some("ALL"), None, ("a", None, Naming::Either)),
            ("a", Some("any"), None, ("a", None, Naming::Either)),
            ("a", Some(""), None, ("a", None, Naming::Either)),
            ("a", Some("X86_64"), Some("debian"), ("a", Some("amd64"), Naming::Either)),
            ("a", Some("X86_64"), Some("Ubuntu"), ("a", Some("amd64"), Naming::Either)),
            ("a", Some("ARM64"), Some("alpine"), ("a", Some("aarch64"), Naming::Either)),
            ("a", Some("AMD64"), Some("wolfi"), ("a", Some("x86_64"), Naming::Either)),
            ("a", Some("X86_64"), None, ("a", Some("x86_64"), Naming::Either)),
            ("a", Some("X86_64"), Some("rhel"), ("a", Some("x86_64"), Naming::Either)),
            ("libstdc++6", None, None, ("libstdc++6", None, Naming::Either)),
        ] {
            let finding = normalised(package, architecture, family);
            let got = (finding.package.as_str(), finding.architecture.as_deref(), finding.naming);
            assert_eq!(got, want, "{package} {architecture:?} {family:?}");
        }
    }

    #[test]
    fn coordinates_of_libraries_stay_whole() {
        let mut finding = Finding {
            class: Class::Library,
            ..Finding::system("CVE-2024-1", "org.example:all", "1")
        };
        normalise(&mut finding, None);
        assert_eq!(finding.package, "org.example:all");
    }

    #[test]
    fn words_stay_and_blanks_go() {
        for (fixed, also, want) in [
            (Some("Pending"), vec![], (Some("Pending"), vec![])),
            (Some("See advisory"), vec![], (Some("See advisory"), vec![])),
            (Some("0"), vec![], (Some("0"), vec![])),
            (Some("0:0"), vec![], (Some("0:0"), vec![])),
            (Some("  "), vec!["1.2"], (Some("1.2"), vec![])),
            (None, vec!["", "1.2", "1.3"], (Some("1.2"), vec!["1.3"])),
            (Some(" 1.2 "), vec!["1.2"], (Some("1.2"), vec![])),
            (Some(""), vec![], (None, vec![])),
        ] {
            let mut finding = Finding {
                fixed: fixed.map(str::to_owned),
                also_fixed_in: also.iter().map(|one| (*one).to_owned()).collect(),
                ..Finding::system("CVE-2024-1", "a", "1")
            };
            normalise(&mut finding, None);
            let also: Vec<&str> = finding.also_fixed_in.iter().map(String::as_str).collect();
            assert_eq!((finding.fixed.as_deref(), also), want, "{fixed:?}");
        }
    }

    #[test]
    fn one_architecture_has_many_names() {
        for (a, b) in [("amd64", "X86_64"), ("arm64", "aarch64"), ("i386", "i686"), ("q", "Q")] {
            assert!(same_architecture(a, b) && same_architecture(b, a), "{a} {b}");
        }
        for (a, b) in [("amd64", "arm64"), ("amd64", "i386"), ("", "amd64"), ("any", "all")] {
            assert!(!same_architecture(a, b), "{a} {b}");
        }
    }
}
