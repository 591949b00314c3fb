//! The patch layer of one platform: written from the overlay, then read back over the original
//! and held against what was to be done. What is judged is what will be published.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use imgfix_model::path::ImagePath;
use imgfix_model::plan::PlatformPlan;
use imgfix_oci::BlobReader;
use imgfix_oci::publish::PatchLayer;
use imgfix_repair::image::Stores;
use imgfix_report::before_after::{FileCounts, IdenticalFiles};
use imgfix_vfs::identical::{self, Identical};
use imgfix_vfs::layer::{Compression, LayerOptions, WrittenLayer, write_layer};
use imgfix_vfs::layer_reader::{Digests, LayerSpec};
use imgfix_vfs::{Change, FileSystem, Overlay, Tree};

use super::load::{self, LoadedImage};
use super::{Environment, RepairError};

/// The bytes of a new layer as they will be published, in a file without a name.
#[derive(Clone)]
pub struct StoredLayer {
    file: Arc<File>,
}

impl StoredLayer {
    /// Of what was written to `file`.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self { file: Arc::new(file) }
    }

    /// The bytes from their beginning.
    #[must_use]
    pub fn reader(&self) -> BlobReader {
        from_its_beginning(&self.file)
    }
}

/// A patch layer: its facts, and its bytes in a file without a name.
pub struct TemporaryLayer {
    /// Digests, size and number of entries.
    pub written: WrittenLayer,
    compression: Compression,
    file: Arc<File>,
}

impl TemporaryLayer {
    /// Writes the changes of `overlay` as a layer.
    ///
    /// # Errors
    /// The disk of the system's temporary directory is full; a changed file cannot be read.
    pub fn write(overlay: &Overlay, options: &LayerOptions) -> Result<Self, RepairError> {
        let mut file = tempfile::tempfile().map_err(RepairError::Temporary)?;
        let written = write_layer(overlay, options, &mut file)
            .map_err(|error| RepairError::WriteLayer(error.to_string()))?;
        Ok(Self { written, compression: options.compression, file: Arc::new(file) })
    }

    /// The bytes as they will be published.
    #[must_use]
    pub fn stored(&self) -> StoredLayer {
        StoredLayer { file: Arc::clone(&self.file) }
    }

    /// What manifest and config say of it.
    #[must_use]
    pub fn facts(&self) -> PatchLayer {
        PatchLayer {
            digest: self.written.digest,
            diff_id: self.written.diff_id,
            size: self.written.size,
            compression: self.compression,
        }
    }

    /// Reads the layer over the original; every changed path and every step must show in the
    /// result, whose stores are returned, and every path of `kept` must be the original's.
    ///
    /// # Errors
    /// The repaired image is not what overlay and steps say.
    pub fn verify(
        &self,
        loaded: &LoadedImage,
        overlay: &Overlay,
        kept: &[ImagePath],
        plan: &PlatformPlan,
        environment: &Environment,
    ) -> Result<Stores, RepairError> {
        let spec = LayerSpec {
            name: format!("the patch layer ({})", self.written.digest.short()),
            compression: Some(self.compression),
            diff_id: Some(self.written.diff_id),
        };
        let file = Arc::clone(&self.file);
        let open = move || from_its_beginning(&file);
        let tree = load::patched(&loaded.tree, open, &spec, environment)?;
        same_view(&tree, overlay)?;
        same_as_before(&tree, &loaded.tree, kept)?;
        let after = environment.detect(&tree).map_err(|source| RepairError::Inventory {
            image: format!("the repaired image ({})", loaded.platform),
            source,
        })?;
        Stores::show(plan, &after).map_err(RepairError::Verification)?;
        Ok(after)
    }
}

fn from_its_beginning(file: &Arc<File>) -> BlobReader {
    Box::new(PositionedReader { file: Arc::clone(file), at: 0 })
}

struct PositionedReader {
    file: Arc<File>,
    at: u64,
}

impl Read for PositionedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(buffer, self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

/// Every changed path must be in the repaired image as the package manager left it.
fn same_view(tree: &Tree, overlay: &Overlay) -> Result<(), RepairError> {
    let wrong = |path: &dyn std::fmt::Display, why: &str| {
        Err(RepairError::Verification(format!("{path} {why}")))
    };
    for (path, change) in overlay.changes() {
        match (change, tree.lstat(path)) {
            (Change::Removed, None) => {}
            (Change::Removed, Some(_)) => return wrong(path, "is still there"),
            (Change::Set(_), None) => return wrong(path, "is missing"),
            (Change::Set(want), Some(have)) => {
                let alike = std::mem::discriminant(&want.kind)
                    == std::mem::discriminant(&have.kind)
                    && (want.mode, want.uid, want.gid, want.mtime, want.size())
                        == (have.mode, have.uid, have.gid, have.mtime, have.size());
                if !alike {
                    return wrong(path, "has other metadata than the package gives it");
                }
            }
        }
    }
    Ok(())
}

/// Every path that was left out of the layer must be what it was, with its time.
fn same_as_before(tree: &Tree, original: &Tree, kept: &[ImagePath]) -> Result<(), RepairError> {
    match kept.iter().find(|path| tree.lstat(path) != original.lstat(path)) {
        Some(path) => Err(RepairError::Verification(format!(
            "{path} was left out of the layer and is not what it was"
        ))),
        None => Ok(()),
    }
}

/// Whether files that are written anew and differ in nothing but their time are in the layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdenticalPolicy {
    /// They are: the image is path by path what the package manager would make.
    #[default]
    Written,
    /// They are not: the original's stay, with their times.
    LeftOut,
}

impl IdenticalPolicy {
    /// Whether contents of the original will be compared.
    #[must_use]
    pub fn digests(self) -> Digests {
        match self {
            Self::Written => Digests::Left,
            Self::LeftOut => Digests::Taken,
        }
    }

    /// Takes what is left out away from `overlay`, and says what it is; `None` when everything is
    /// written. Of `stores` the database of the package manager stays as it is.
    ///
    /// # Errors
    /// Contents cannot be read.
    pub fn apply(
        self,
        overlay: &mut Overlay,
        stores: &Stores,
    ) -> Result<Option<Identical>, RepairError> {
        if self == Self::Written {
            return Ok(None);
        }
        let manager = stores.package_manager();
        let database = manager.map(|one| one.database(overlay)).unwrap_or_default();
        Ok(Some(identical::leave_out(overlay, &database)?))
    }
}

/// What was left out, for the report.
#[must_use]
pub fn identical_files(identical: &Identical) -> IdenticalFiles {
    let files = u64::try_from(identical.paths.len()).unwrap_or(u64::MAX);
    IdenticalFiles { files, bytes: identical.bytes }
}

/// How many files the repair adds, changes and removes.
#[must_use]
pub fn count(overlay: &Overlay) -> FileCounts {
    let mut counts = FileCounts::default();
    for (path, change) in overlay.changes() {
        match change {
            Change::Removed => counts.removed += overlay.tree().walk(path).len() as u64,
            Change::Set(_) if overlay.tree().lstat(path).is_some() => counts.changed += 1,
            Change::Set(_) => counts.added += 1,
        }
    }
    counts
}
