//! This kind of store as the seam has it. In comes a tree; out come its stores, each with what
//! changes it.

use imgfix_model::component::Libraries;
use imgfix_model::path::ImagePath;
use imgfix_repair::error::Cause;
use imgfix_repair::libraries::LibraryStore;
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_vfs::FileSystem;

use crate::manager::NodeManager;
use crate::records;

/// Trees of node modules.
pub struct Node;

impl Kind for Node {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        records::wants(path, size)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let managed = |libraries: Libraries| -> Box<dyn Repairer> {
            let manager = NodeManager::new(libraries.store.clone());
            Box::new(LibraryStore::new(libraries, crate::same_name).managed(Box::new(manager)))
        };
        Ok(records::find(fs).into_iter().map(managed).collect())
    }
}
