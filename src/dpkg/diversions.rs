//! Diversions: paths whose files go elsewhere (`dpkg-divert(1)`).
//!
//! In comes `/var/lib/dpkg/diversions`; out comes, for a path and the package that ships it,
//! where the file really goes. Rules: dpkg's `lib/dpkg/db-fsys-divert.c` and `namenodetouse`.

use std::collections::BTreeMap;

/// The diversions of one image.
#[derive(Debug, Clone, Default)]
pub struct Diversions {
    by_original: BTreeMap<Vec<u8>, Diversion>,
    by_target: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Debug, Clone)]
struct Diversion {
    target: Vec<u8>,
    /// Whose files stay; `None` for a local diversion, which diverts everybody's.
    package: Option<String>,
}

/// Why the file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct DiversionError {
    /// From 1, in `diversions`.
    pub line: usize,
    /// What dpkg would call damage.
    pub problem: &'static str,
}

impl Diversions {
    /// Reads the file: three lines a diversion, original, target and package (`:` for none).
    ///
    /// # Errors
    /// An incomplete entry, a relative path, or two diversions that involve the same path.
    pub fn parse(text: &[u8]) -> Result<Self, DiversionError> {
        let lines: Vec<&[u8]> =
            text.strip_suffix(b"\n").unwrap_or(text).split(|&b| b == b'\n').collect();
        let mut diversions = Self::default();
        if text.is_empty() {
            return Ok(diversions);
        }
        for (at, entry) in lines.chunks(3).enumerate() {
            let fail = |problem| DiversionError { line: at * 3 + 1, problem };
            let [original, target, package] = entry else {
                return Err(fail("a diversion has three lines"));
            };
            if !original.starts_with(b"/") || !target.starts_with(b"/") {
                return Err(fail("a diversion is between absolute paths"));
            }
            if [original, target].iter().any(|path| diversions.involves(path)) {
                return Err(fail("the path is diverted twice"));
            }
            let package = (*package != b":").then(|| String::from_utf8_lossy(package).into_owned());
            diversions.by_target.insert(target.to_vec(), original.to_vec());
            let diversion = Diversion { target: target.to_vec(), package };
            diversions.by_original.insert(original.to_vec(), diversion);
        }
        Ok(diversions)
    }

    fn involves(&self, path: &[u8]) -> bool {
        self.by_original.contains_key(path) || self.by_target.contains_key(path)
    }

    /// The path that a file of `package` listed as `path` really has.
    #[must_use]
    pub fn real<'a>(&'a self, path: &'a [u8], package: &str) -> &'a [u8] {
        match self.by_original.get(path) {
            Some(diversion) if diversion.package.as_deref() != Some(package) => &diversion.target,
            _ => path,
        }
    }

    /// The path that is diverted to `path`, if one is.
    #[must_use]
    pub fn diverted_to(&self, path: &[u8]) -> Option<&[u8]> {
        self.by_target.get(path).map(Vec::as_slice)
    }

    /// Every diverted path and where it goes.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.by_original.iter().map(|(from, diversion)| (&from[..], &diversion.target[..]))
    }

    /// Whether `path` is diverted, and by which package (`Some(None)`: locally).
    #[must_use]
    pub fn diverter(&self, path: &[u8]) -> Option<Option<&str>> {
        self.by_original.get(path).map(|diversion| diversion.package.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_diverted() {
        let text = b"/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/a\n/usr/bin/a.real\n:\n";
        let diversions = Diversions::parse(text).unwrap();
        assert_eq!(diversions.real(b"/bin/sh", "bash"), b"/bin/sh.distrib");
        assert_eq!(diversions.real(b"/bin/sh", "dash"), b"/bin/sh");
        assert_eq!(diversions.real(b"/usr/bin/a", "a"), b"/usr/bin/a.real");
        assert_eq!(diversions.real(b"/usr/bin/b", "a"), b"/usr/bin/b");
        assert_eq!(diversions.diverted_to(b"/bin/sh.distrib"), Some(&b"/bin/sh"[..]));
        assert_eq!(diversions.diverter(b"/usr/bin/a"), Some(None));
    }

    #[test]
    fn damaged_files_are_refused_with_their_line() {
        assert_eq!(Diversions::parse(b"/a\n/b\n:\n/c\n").unwrap_err().line, 4);
        assert!(Diversions::parse(b"a\n/b\n:\n").is_err());
        assert!(Diversions::parse(b"/a\n/b\n:\n/b\n/c\n:\n").is_err());
        assert!(Diversions::parse(b"").is_ok());
    }
}
