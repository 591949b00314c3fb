//! This kind of store as the seam has it. In comes a tree; out come its stores, listed and judged.

use std::io::{self, Read};

use bytes::Bytes;
use imgfix_model::component::Libraries;
use imgfix_model::path::ImagePath;
use imgfix_repair::error::Cause;
use imgfix_repair::libraries::LibraryStore;
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_vfs::FileSystem;

use crate::manager::JavaManager;
use crate::records;

/// Archives of Java, in folders and in each other.
pub struct Java;

impl Kind for Java {
    /// What an archive is, is noted while it goes by; it is not kept.
    fn wants(&self, _path: &ImagePath, _size: u64) -> bool {
        false
    }

    fn note(
        &self,
        path: &ImagePath,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<Option<Bytes>> {
        records::note(path, size, content)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let store = |libraries: Libraries| -> Box<dyn Repairer> {
            let manager = Box::new(JavaManager::new(libraries.clone()));
            Box::new(LibraryStore::new(libraries, crate::same_name).managed(manager))
        };
        Ok(records::find(fs)?.into_iter().map(store).collect())
    }
}
