//! What is installed, as far as plans depend on it.
//!
//! In comes what rpm's database says; out come [`InstalledPackage`]s, whatever the database's
//! format. Who reads the database fills them.

use super::primary::{Flag, RelationText};

/// A relation, as a header has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledRelation {
    /// A capability, a path, or a whole rich dependency.
    pub name: String,
    /// How versions are compared.
    pub flag: Flag,
    /// `[epoch:]version[-release]`.
    pub evr: String,
}

impl InstalledRelation {
    /// As metadata would have it.
    #[must_use]
    pub fn text(&self) -> RelationText<'_> {
        RelationText { name: &self.name, flag: self.flag, evr: &self.evr }
    }
}

/// One installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its name.
    pub name: String,
    /// `x86_64`, `noarch`; empty for the keys that rpm keeps as packages.
    pub architecture: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// Who made it.
    pub vendor: String,
    /// The file name of its source package.
    pub source: String,
    /// `module:stream:version:context`, when it is of one.
    pub module: String,
    /// What it is to others.
    pub provides: Vec<InstalledRelation>,
    /// What has to be there.
    pub requires: Vec<InstalledRelation>,
    /// What must not be there.
    pub conflicts: Vec<InstalledRelation>,
    /// What it replaces.
    pub obsoletes: Vec<InstalledRelation>,
    /// What comes along when it can.
    pub recommends: Vec<InstalledRelation>,
    /// Its files' paths.
    pub files: Vec<String>,
}

impl InstalledPackage {
    /// Module and stream.
    #[must_use]
    pub fn stream(&self) -> Option<(&str, &str)> {
        let mut parts = self.module.split(':');
        match (parts.next(), parts.next()) {
            (Some(module), Some(stream)) if !module.is_empty() => Some((module, stream)),
            _ => None,
        }
    }
}
