//! Where libraries of applications come from: the registries that this machine's own tools would
//! ask, never what an image names.
//!
//! In comes what rooms read in `pip.conf`, `.npmrc` and `settings.xml`; rooms ask [`Registries`]
//! where a library is.

use super::access::Credentials;

/// The registries of every kind of library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibraryRegistries {
    /// Python's indexes.
    pub python: Registries,
    /// npm's registries.
    pub node: Registries,
    /// Maven's repositories.
    pub java: Registries,
}

/// The registries of one kind of library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registries {
    /// In the order in which they are asked; empty: the public one.
    pub places: Vec<Registry>,
    /// Base URLs and what is used below them.
    pub logins: Vec<(String, Credentials)>,
}

/// One registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// With a slash at the end, without a login.
    pub url: String,
    /// What it is for alone: a scope of npm (`@babel`), what a mirror of Maven stands for; `None`:
    /// for everything.
    pub scope: Option<String>,
}

impl LibraryRegistries {
    /// Every login.
    pub fn logins(&self) -> impl Iterator<Item = &(String, Credentials)> {
        [&self.python, &self.node, &self.java].into_iter().flat_map(|one| &one.logins)
    }
}
