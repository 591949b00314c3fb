//! What a kind of library brings to the shared loop: [`LibraryManager`], for one store of an image.
//!
//! In come copies of libraries and the versions that the loop chose for them; out come exact steps,
//! and an overlay with all of them done, or the one that cannot be and why.

use imgfix_model::component::{Libraries, Library};
use imgfix_model::path::ImagePath;
use imgfix_model::plan::{Because, StoreStep};
use imgfix_model::reason::Reason;
use imgfix_versions::VersionText;
use imgfix_vfs::{FileSystem, Overlay};

use crate::error::{Cause, RepairerError};
use crate::repairer::Work;

/// One store of libraries that can be changed.
pub trait LibraryManager {
    /// Why this copy is not changed, whatever the version; `None`: it can be.
    ///
    /// # Errors
    /// The image cannot be read.
    fn obstacle(&self, fs: &dyn FileSystem, library: &Library) -> Result<Option<Reason>, Cause>;

    /// Versions of the library that its registry has and that may be installed here: none that was
    /// taken back (yanked), and no pre-release.
    ///
    /// # Errors
    /// What no single library is to blame for.
    fn versions(
        &self,
        fs: &dyn FileSystem,
        library: &Library,
        work: &Work<'_>,
    ) -> Result<Versions, RepairerError>;

    /// The exact steps of a set of changes, with their archives; what has to come along, too.
    ///
    /// # Errors
    /// What no single change is to blame for.
    fn resolve(
        &self,
        fs: &dyn FileSystem,
        changes: &[Change<'_>],
        work: &Work<'_>,
    ) -> Result<Resolved, RepairerError>;

    /// Does steps over an overlay, from what they name alone. What is installed then has to go
    /// together as it did before.
    ///
    /// # Errors
    /// What no single step is to blame for.
    fn apply(
        &self,
        overlay: Overlay,
        steps: &[StoreStep],
        work: &Work<'_>,
    ) -> Result<Outcome, RepairerError>;

    /// The store as a file system has it; `None`: it is not there any more.
    fn list(&self, fs: &dyn FileSystem) -> Option<Libraries>;

    /// A step that puts the problem with these ids out of use in a copy that keeps its version;
    /// `None`: none is known. What it does shows in [`Library::mitigated`] of the result.
    ///
    /// # Errors
    /// The image cannot be read.
    fn mitigate(
        &self,
        _fs: &dyn FileSystem,
        _library: &Library,
        _ids: &[String],
    ) -> Result<Option<StoreStep>, Cause> {
        Ok(None)
    }
}

/// A copy of a library and the version that it is to have.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// As it is installed.
    pub library: &'a Library,
    /// A version of [`LibraryManager::versions`].
    pub to: &'a VersionText,
    /// The ids of findings that it fixes, sorted.
    pub fixes: &'a [String],
}

impl Change<'_> {
    /// Its step, made of `archive`.
    #[must_use]
    pub fn step(&self, archive: imgfix_model::plan::Archive) -> StoreStep {
        StoreStep {
            component: self.library.name.clone(),
            path: Some(self.library.path.clone()),
            from: Some(self.library.version.clone()),
            to: Some(self.to.clone()),
            archive: Some(archive),
            unpack: None,
            attested_by: None,
            because: vec![Because::Fixes { findings: self.fixes.to_vec() }],
        }
    }
}

/// What a registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Versions {
    /// In any order.
    Known(Vec<VersionText>),
    /// It cannot be asked, or has nothing.
    Left(Reason),
}

/// What a set of changes takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// In the order in which they are done.
    Steps(Vec<StoreStep>),
    /// One cannot be.
    Barred(Barred),
}

/// What became of steps.
pub enum Outcome {
    /// All are done.
    Applied(Overlay),
    /// One cannot be.
    Barred(Barred),
}

/// A change that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Barred {
    /// Which copy: the file that records it.
    pub path: ImagePath,
    /// Why.
    pub reason: Reason,
}
