//! What a run is given from outside. Made once at the edge, then only read.

use imgfix_confinement::{Confined, network};
use imgfix_oci::RegistryOptions;
pub use imgfix_repair::edge::{AfterFetching, CacheChoice, Edge, RepositoryChoice, ScriptsMode};
use imgfix_vfs::limits::LayerLimits;

use super::RepairError;

/// Everything from outside.
pub struct Environment {
    pub registry: RegistryOptions,
    /// What images may be made of.
    pub limits: LayerLimits,
    /// What repairers get.
    pub edge: Edge,
    /// What the process has given up.
    pub confined: Confined,
}

impl Environment {
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
