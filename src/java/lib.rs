//! Archives of Java in an image: which libraries they are, and how their versions compare.
//!
//! In comes a file system; out come [`Libraries`](imgfix_model::component::Libraries), one for
//! each folder with jars and for each archive with archives inside (fat jars, wars, ears). A
//! library's path is the file's, and behind it the way inside:
//! `/app/app.jar/BOOT-INF/lib/a-1.jar`. What a jar is says Maven's `pom.properties` in it, then
//! its manifest, then its name, as Trivy and Syft have it; a jar with the classes of others in it
//! has their libraries beside its own. Names are `GROUP:ARTIFACT`; where no text says the group,
//! the artifact alone.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod attestation;
mod class_file;
mod class_path;
mod families;
mod identity;
mod known;
mod linkage;
#[cfg(test)]
mod linkage_tests;
mod listing;
mod manager;
mod manifest;
mod mitigation;
mod place;
mod properties;
mod records;
mod registry;
mod repairer;
mod settings;
#[cfg(test)]
mod tests;
mod versions;

pub use class_file::{ClassFile, Member, Reference};
pub use identity::{Artifact, artifact_of, file_parts};
pub use linkage::{Broken, ClassPath, Code, Words, broken};
pub use listing::{Found, look_into};
pub use manifest::{Manifest, coordinates};
pub use records::{find, note};
pub use repairer::Java;
pub use settings::{Settings, metadata_versions, settings};
pub use versions::{ORDER, is_release, numbers};

/// Whether two texts name one library. Where one does not know the group, the artifact counts.
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    let is_whole = |name: &str| name.contains(':');
    match is_whole(a) && is_whole(b) {
        true => a == b,
        false => artifact_of(a) == artifact_of(b),
    }
}
