//! This kind of store as the seam has it. In comes a tree; out come its stores, each with what
//! changes it.

use imgfix_model::component::Libraries;
use imgfix_model::path::ImagePath;
use imgfix_repair::error::Cause;
use imgfix_repair::libraries::LibraryStore;
use imgfix_repair::repairer::{Kind, Repairer};
use imgfix_vfs::FileSystem;

use crate::manager::{Answers, PythonManager};
use crate::records;

/// Python environments.
pub struct Python;

impl Kind for Python {
    fn wants(&self, path: &ImagePath, size: u64) -> bool {
        records::wants(path, size)
    }

    fn detect(&self, fs: &dyn FileSystem) -> Result<Vec<Box<dyn Repairer>>, Cause> {
        let answers = Answers::default();
        let store = |libraries: Libraries| -> Box<dyn Repairer> {
            let place = ImagePath::new(&libraries.store.place);
            let store = LibraryStore::new(libraries, crate::same_name);
            Box::new(match place {
                Ok(place) => {
                    let manager = PythonManager::new(place, Answers::clone(&answers));
                    store.managed(Box::new(manager))
                }
                // a path that is no text has no place that can be found again
                Err(_) => store,
            })
        };
        Ok(records::find(fs).into_iter().map(store).collect())
    }
}
