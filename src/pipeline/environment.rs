//! What a run is given from outside. Made once at the edge, then only read.

use std::io::{self, Read};

use bytes::Bytes;
use imgfix_baseline::Baseline;
use imgfix_confinement::{Confined, network};
use imgfix_model::path::ImagePath;
use imgfix_oci::RegistryOptions;
pub use imgfix_repair::edge::{AfterFetching, CacheChoice, Edge, RepositoryChoice, ScriptsMode};
use imgfix_repair::error::Cause;
use imgfix_repair::image::Stores;
use imgfix_repair::repairer::Kind;
use imgfix_tools::ldconfig;
use imgfix_vfs::FileSystem;
use imgfix_vfs::limits::LayerLimits;

use super::RepairError;
use super::families::Kinds;

/// Everything from outside.
pub struct Environment {
    /// How registries are reached: logins, certificates, time, limits.
    pub registry: RegistryOptions,
    /// What images may be made of.
    pub limits: LayerLimits,
    /// Which stores are looked for.
    pub kinds: Kinds,
    /// The rules about an image's configuration, which make one kind more, the last.
    pub baseline: Baseline,
    /// What repairers get.
    pub edge: Edge,
    /// What the process has given up.
    pub confined: Confined,
}

impl Environment {
    /// The stores that an image has.
    ///
    /// # Errors
    /// One is not understood.
    pub fn detect(&self, fs: &dyn FileSystem) -> Result<Stores, Cause> {
        let kinds: Vec<&dyn Kind> = self.all_kinds().collect();
        Stores::detect(&kinds, fs)
    }

    /// Every kind of store, in the order in which they are repaired.
    pub fn all_kinds(&self) -> impl Iterator<Item = &dyn Kind> {
        self.kinds.iter().copied().chain([&self.baseline as &dyn Kind])
    }

    /// Whether the content of a file, of `size` bytes, stays in memory while layers stream by:
    /// some kind of store wants it.
    #[must_use]
    pub fn wants(&self, path: &ImagePath, size: u64) -> bool {
        self.all_kinds().any(|kind| kind.wants(path, size))
    }

    /// The note of a file that does not stay: the first that some kind of store makes, or what
    /// `ldconfig` asks of libraries.
    ///
    /// # Errors
    /// The content's own.
    pub fn note(
        &self,
        path: &ImagePath,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<Option<Bytes>> {
        for kind in self.all_kinds() {
            if let Some(note) = kind.note(path, size, content)? {
                return Ok(Some(note));
            }
        }
        ldconfig::note(path, size, content)
    }

    /// Whether rules of the user's replace files.
    #[must_use]
    pub fn replaces(&self) -> bool {
        !self.edge.replacements.is_empty()
    }

    /// Everything is fetched: the network goes, when it is to go.
    ///
    /// # Errors
    /// It cannot be given up.
    pub fn fetched(&self) -> Result<(), RepairError> {
        if self.edge.network == AfterFetching::Goes {
            network::close()?;
            self.edge.progress.detail("everything is fetched; the network is given up");
        }
        Ok(())
    }
}
