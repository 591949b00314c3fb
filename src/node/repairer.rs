//! This kind of store as the seam has it. In comes a tree; out come its stores, listed and judged.

use imgfix_model::path::ImagePath;
use imgfix_repair::error::Cause;
use imgfix_repair::libraries::LibraryStore;
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_vfs::FileSystem;

use crate::records;

/// Trees of node modules.
pub struct Node;

impl Kind for Node {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        records::wants(path, size)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        Ok(LibraryStore::all(records::find(fs), crate::same_name))
    }
}
