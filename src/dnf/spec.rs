//! Which packages a configuration means: `kernel*`, `bash.x86_64`, `openssl-1:3.0.7-27.el9`.
//!
//! In come a [`Spec`] and a package's name, version and architecture; out comes whether it is
//! meant. Source: dnf(8) "SPECIFYING PACKAGES": the pattern may be a name, `name.arch`,
//! `name-[epoch:]version`, with a release, and with an architecture.

use imgfix_shell::fnmatch::{CaseOf, matches_in};

/// What a pattern is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The package's name.
    pub name: &'a str,
    /// Empty: 0.
    pub epoch: &'a str,
    /// Without epoch and release.
    pub version: &'a str,
    /// `27.el9`.
    pub release: &'a str,
    /// `x86_64`, `noarch`.
    pub architecture: &'a str,
}

/// A pattern of packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spec {
    /// As it is written.
    pub text: String,
    case: bool,
}

impl Spec {
    /// A pattern as dnf has it. Groups (`@x`) and paths are no packages: `None`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let plain = !text.is_empty() && !text.starts_with(['@', '/']);
        plain.then(|| Self { text: text.to_owned(), case: true })
    }

    /// The same, with the case of letters ignored.
    #[must_use]
    pub fn ignoring_case(text: &str) -> Option<Self> {
        Self::new(text).map(|spec| Self { case: false, ..spec })
    }

    /// Whether it means a package of this name, whatever its version.
    #[must_use]
    pub fn is_name(&self, name: &str) -> bool {
        self.fits(name)
    }

    /// Whether it means the package.
    #[must_use]
    pub fn is_about(&self, package: &Subject<'_>) -> bool {
        let Subject { name, epoch, version, release, architecture } = *package;
        let epoch = if epoch.is_empty() { "0" } else { epoch };
        if self.fits(name) || self.fits(&format!("{name}.{architecture}")) {
            return true;
        }
        // nothing below has no dash behind the name
        if !self.text.contains('-') && !self.text.contains(['*', '?', '[']) {
            return false;
        }
        let with_epoch = format!("{epoch}:{version}");
        let versions = [(epoch == "0").then_some(version), Some(with_epoch.as_str())];
        versions.into_iter().flatten().any(|version| {
            self.fits(&format!("{name}-{version}"))
                || self.fits(&format!("{name}-{version}-{release}"))
                || self.fits(&format!("{name}-{version}-{release}.{architecture}"))
                || self.fits(&format!("{name}-{version}.{architecture}"))
        }) || self.fits(&format!("{epoch}:{name}-{version}-{release}.{architecture}"))
            || self.fits(&format!("{epoch}:{name}-{version}-{release}"))
    }

    fn fits(&self, text: &str) -> bool {
        let case = if self.case { CaseOf::Counts } else { CaseOf::Ignored };
        matches_in(self.text.as_bytes(), text.as_bytes(), case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_dnf_takes_them_for() {
        let package = Subject {
            name: "openssl-libs",
            epoch: "1",
            version: "3.0.7",
            release: "27.el9",
            architecture: "x86_64",
        };
        for (text, want) in [
            ("openssl-libs", true),
            ("openssl*", true),
            ("openssl", false),
            ("openssl-libs.x86_64", true),
            ("openssl-libs.i686", false),
            ("openssl-libs-3.0.7", false),
            ("openssl-libs-1:3.0.7", true),
            ("openssl-libs-1:3.0.7-27.el9", true),
            ("openssl-libs-1:3.0.7-27.*", true),
            ("openssl-libs-1:3.0.7-27.el9.x86_64", true),
            ("1:openssl-libs-3.0.7-27.el9.x86_64", true),
            ("OPENSSL-libs", false),
            ("*.i686", false),
        ] {
            assert_eq!(Spec::new(text).unwrap().is_about(&package), want, "{text}");
        }
        let plain = Subject { epoch: "", ..package };
        assert!(Spec::new("openssl-libs-3.0.7-27.el9").unwrap().is_about(&plain));
        assert!(Spec::new("openssl-libs-0:3.0.7-27.el9").unwrap().is_about(&plain));
        assert!(Spec::ignoring_case("OPENSSL-libs").unwrap().is_about(&package));
        assert_eq!((Spec::new("@core"), Spec::new(" "), Spec::new("/bin/sh")), (None, None, None));
    }
}
