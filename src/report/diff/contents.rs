//! Reading the content of many files of an image in one pass.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use imgfix_model::path::ImagePath;
use imgfix_vfs::{Content, FileSystem, Kind, LayerId, RootfsError, Tree};

/// Takes the content of the paths (several when they are hard links of one file).
pub type Sink<'a> = dyn FnMut(&[ImagePath], &mut dyn Read) -> io::Result<()> + 'a;

/// Hands out the content of many regular files.
pub trait Contents {
    /// Gives the content of each of `wanted` to `sink`, in any order. Nothing of it may be
    /// relied on before this returns `Ok`: digests are checked at the end of a layer.
    ///
    /// # Errors
    /// A path is missing or no regular file, or content cannot be read; errors of `sink`.
    fn read_each(&self, wanted: &[ImagePath], sink: &mut Sink<'_>) -> Result<(), RootfsError>;
}

/// Opens file after file. Simple, and slow for content in layers, because each file is looked
/// for in its layer from the start.
pub struct Opened<'a>(pub &'a dyn FileSystem);

impl Contents for Opened<'_> {
    fn read_each(&self, wanted: &[ImagePath], sink: &mut Sink<'_>) -> Result<(), RootfsError> {
        for path in wanted {
            let mut content = self.0.open(path)?;
            sink(std::slice::from_ref(path), &mut content)
                .map_err(|source| RootfsError::Io { what: path.to_string(), source })?;
        }
        Ok(())
    }
}

/// Reads every layer that is needed once.
impl Contents for Tree {
    fn read_each(&self, wanted: &[ImagePath], sink: &mut Sink<'_>) -> Result<(), RootfsError> {
        let mut places: BTreeMap<(LayerId, u32), Vec<ImagePath>> = BTreeMap::new();
        let mut others = Vec::new();
        for path in wanted {
            let entry = self.lstat(path).ok_or_else(|| RootfsError::NotFound(path.clone()))?;
            match &entry.kind {
                Kind::File(data) => match &data.content {
                    Content::Layer { layer, index } => {
                        places.entry((*layer, *index)).or_default().push(path.clone());
                    }
                    Content::Inline(_) | Content::Spool(_) => others.push(path.clone()),
                },
                _ => return Err(RootfsError::NotAFile(path.clone())),
            }
        }
        Opened(self).read_each(&others, sink)?;
        let mut members: BTreeMap<LayerId, BTreeSet<u32>> = BTreeMap::new();
        for (layer, index) in places.keys() {
            members.entry(*layer).or_default().insert(*index);
        }
        self.loader()
            .load_many(&members, &mut |layer, index, content| match places.get(&(layer, index)) {
                Some(paths) => sink(paths, content),
                None => Ok(()),
            })
            .map_err(|source| RootfsError::Io { what: "the image's layers".to_owned(), source })
    }
}
