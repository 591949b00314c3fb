//! [`ImagePath`]: an absolute, normalised path inside an image that cannot escape its root.
//!
//! Names in tar headers and package lists are bytes, not text, so this type holds bytes.
//! `..` is refused rather than resolved: in an archive it is never innocent.

use std::borrow::Borrow;
use std::fmt;

/// The longest path accepted, in bytes (Linux `PATH_MAX` is 4096 with the final NUL).
pub const MAX_PATH: usize = 4095;

/// Why bytes are not a path inside an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A component is `..`; the path as it came, cut to 256 bytes.
    #[error("path {0:?} has a '..' component, which could leave the image root")]
    ParentComponent(String),
    /// There is a NUL byte in it; the path as it came, cut to 256 bytes.
    #[error("path {0:?} contains a NUL byte")]
    Nul(String),
    /// It has this many bytes, which are more than [`MAX_PATH`].
    #[error("path of {0} bytes is longer than {MAX_PATH} bytes")]
    TooLong(usize),
}

/// An absolute path in the image: starts with `/`, no `.`/`..`/empty components, no
/// trailing slash (the root itself is `/`). Ordered by bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImagePath(Box<[u8]>);

impl ImagePath {
    /// The image's root directory.
    #[must_use]
    pub fn root() -> Self {
        Self(Box::new(*b"/"))
    }

    /// Normalises `raw`: relative names (as in tar archives, with or without `./`) are taken
    /// from the root; repeated slashes and `.` components vanish.
    ///
    /// # Errors
    /// `..` components, NUL bytes and paths over [`MAX_PATH`].
    pub fn new(raw: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let raw = raw.as_ref();
        let mut bytes = Vec::with_capacity(raw.len() + 1);
        for component in raw.split(|&b| b == b'/') {
            match component {
                b"" | b"." => {}
                b".." => return Err(PathError::ParentComponent(lossy(raw))),
                name => {
                    bytes.push(b'/');
                    bytes.extend_from_slice(name);
                }
            }
        }
        if bytes.is_empty() {
            bytes.push(b'/');
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul(lossy(raw)));
        }
        if bytes.len() > MAX_PATH {
            return Err(PathError::TooLong(bytes.len()));
        }
        Ok(Self(bytes.into_boxed_slice()))
    }

    /// A path written in this program's source. Non-normal literals are normalised; a `..`
    /// in a literal yields the root, which no caller writes.
    #[must_use]
    pub fn literal(text: &'static str) -> Self {
        Self::new(text).unwrap_or_else(|_| Self::root())
    }

    /// The bytes, starting with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes without the leading slash (tar member form); empty for the root.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        &self.0[1..]
    }

    /// For messages and text reports; invalid UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn to_str_lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        &*self.0 == b"/"
    }

    /// The directory that holds this path; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        match self.0.iter().rposition(|&b| b == b'/') {
            Some(0) | None => Some(Self::root()),
            Some(at) => Some(Self(self.0[..at].into())),
        }
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        match self.0.iter().rposition(|&b| b == b'/') {
            Some(at) => &self.0[at + 1..],
            None => &self.0,
        }
    }

    /// The components from the root down.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|c| !c.is_empty())
    }

    /// Every directory above this path, the root first, the direct parent last.
    #[must_use]
    pub fn ancestors(&self) -> Vec<Self> {
        let mut out = Vec::new();
        let mut current = self.parent();
        while let Some(path) = current {
            current = path.parent();
            out.push(path);
        }
        out.reverse();
        out
    }

    /// This path with a relative path (one or more components) appended.
    ///
    /// # Errors
    /// As [`ImagePath::new`].
    pub fn join(&self, relative: impl AsRef<[u8]>) -> Result<Self, PathError> {
        let mut bytes = self.0.to_vec();
        bytes.push(b'/');
        bytes.extend_from_slice(relative.as_ref());
        Self::new(bytes)
    }

    /// Whether this path is `dir` or lies below it.
    #[must_use]
    pub fn starts_with(&self, dir: &ImagePath) -> bool {
        dir.is_root()
            || self == dir
            || (self.0.starts_with(&dir.0) && self.0.get(dir.0.len()) == Some(&b'/'))
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).into_owned()
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str_lossy())
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

impl Borrow<[u8]> for ImagePath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl serde::Serialize for ImagePath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.to_str_lossy())
    }
}

impl<'de> serde::Deserialize<'de> for ImagePath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::new(text.as_ref()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        for (raw, want) in [
            ("", "/"),
            ("/", "/"),
            ("./", "/"),
            ("usr/bin/", "/usr/bin"),
            ("./usr//./bin", "/usr/bin"),
            ("/etc/passwd", "/etc/passwd"),
        ] {
            assert_eq!(ImagePath::new(raw).unwrap().as_bytes(), want.as_bytes(), "{raw}");
        }
    }

    #[test]
    fn escapes_are_refused() {
        for raw in ["..", "../etc", "usr/../../etc", "/a/.."] {
            assert!(matches!(ImagePath::new(raw), Err(PathError::ParentComponent(_))), "{raw}");
        }
        assert!(matches!(ImagePath::new("a\0b"), Err(PathError::Nul(_))));
        assert!(matches!(ImagePath::new("a".repeat(5000)), Err(PathError::TooLong(_))));
    }

    #[test]
    fn parents_and_names() {
        let path = ImagePath::new("usr/lib/x").unwrap();
        assert_eq!(path.parent().unwrap().as_bytes(), b"/usr/lib");
        assert_eq!(path.file_name(), b"x");
        assert_eq!(
            path.ancestors().iter().map(|p| p.to_string()).collect::<Vec<_>>(),
            ["/", "/usr", "/usr/lib"]
        );
        assert!(path.starts_with(&ImagePath::literal("/usr")));
        assert!(!path.starts_with(&ImagePath::literal("/us")));
    }
}
