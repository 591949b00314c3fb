//! The root file system of an image as values: paths that cannot escape, a merged
//! read-only [`Tree`] of the layers, and an [`Overlay`] of changes over it.
//!
//! In come layer streams (through [`layer_reader`]); out goes a tree that other rooms read
//! through [`FileSystem`], and the overlay whose changes [`layer`] writes. Nothing
//! here knows of packages, registries or the host's own file system.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod account_lines;
pub mod accounts;
pub mod capabilities;
pub mod compression;
pub mod entry;
pub mod fault;
pub mod filesystem;
pub mod identical;
pub mod layer;
pub mod layer_changes;
pub mod layer_reader;
pub mod limits;
pub mod loader;
pub mod memory;
pub mod merge;
pub mod overlay;
pub(crate) mod pax;
pub mod replay;
pub mod spool;
mod tar_block;
pub mod tar_format;
pub mod tar_reader;
#[cfg(test)]
pub(crate) mod testing;
pub mod tree;
pub mod whiteout;

pub use accounts::Accounts;
pub use compression::Compression;
pub use entry::{Content, Entry, FileData, Kind, LayerId, LinkId, Xattrs};
pub use filesystem::{FileSystem, RootfsError};
pub use layer_reader::{LayerError, LayerSpec, ParsedLayer, read_layer, read_layers};
pub use limits::{Budget, LayerLimits};
pub use loader::LayerLoader;
pub use memory::{Memory, OverBudget, Reserved};
pub use merge::{merge, merge_over};
pub use overlay::{Change, Overlay};
pub use spool::{Spool, SpoolFile, SpoolFull};
#[cfg(any(test, feature = "testing"))]
pub use tree::BrokenDisk;
pub use tree::{ContentLoader, NoLayers, Tree};
