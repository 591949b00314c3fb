//! [`MultiArch`]: what a package is to others of another architecture.

/// The `Multi-Arch` field (<https://wiki.ubuntu.com/MultiarchSpec>).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MultiArch {
    /// Its dependencies are met by packages of its own architecture, and so are dependencies on it.
    #[default]
    No,
    /// Instances of several architectures may be installed, all at one version.
    Same,
    /// It meets dependencies of packages of any architecture.
    Foreign,
    /// It meets dependencies of any architecture that say so (`name:any`).
    Allowed,
}

impl MultiArch {
    /// From the field's value; anything unknown is `no`, as in dpkg's lax parsing.
    #[must_use]
    pub fn from_field(value: Option<&str>) -> Self {
        match value.map(str::trim) {
            Some("same") => Self::Same,
            Some("foreign") => Self::Foreign,
            Some("allowed") => Self::Allowed,
            _ => Self::No,
        }
    }
}
