//! Trees of node modules: which packages an image has, who finds which, what versions and ranges
//! mean, and what npm writes when a package is put in the place of another.
//!
//! In come a file system, answers and archives of a registry; out come
//! [`Libraries`](imgfix_model::component::Libraries), one for
//! each top-level `node_modules` folder, with everything below it: nested copies, pnpm's
//! `.pnpm/NAME@VERSION/node_modules/NAME`. A package is what lies directly in a folder of that
//! name (in it, `@SCOPE` folders hold packages) with a `package.json` that has a name and a
//! version (<https://docs.npmjs.com/cli/configuring-npm/package-json>), as Node's own search for
//! modules has it (<https://nodejs.org/api/modules.html#loading-from-node_modules-folders>).
//! Yarn's zip files (Plug'n'Play), bundles that contain other packages' code, and Debian's
//! `/usr/share/nodejs` are not looked into. Names compare exactly.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

mod additions;
mod constraints;
mod holders;
mod install;
pub mod json_file;
mod manager;
mod manifest;
mod modules;
mod node_version;
pub mod npm_lock;
pub mod npmrc;
mod obstacles;
mod overrides;
mod package_json;
pub mod packument;
mod pins;
mod planning;
pub mod pnpm_lock;
mod project_files;
mod ranges;
#[cfg(test)]
mod real_semver;
mod records;
mod registry;
mod repairer;
pub mod signatures;
mod spec;
mod tarball;
#[cfg(test)]
mod testing;
mod versions;
pub mod yarn_lock;

pub use manifest::{Manifest, Need, NeedKind, Needs};
pub use modules::{Broken, Found, Modules, Package};
pub use overrides::Overrides;
pub use package_json::identity;
pub use packument::{Packument, Published};
pub use ranges::Range;
pub use records::{find, wants};
pub use repairer::Node;
pub use signatures::{Keys, Signature};
pub use spec::Spec;
pub use tarball::{Tarball, TarballError, read as read_tarball};
pub use versions::ORDER;

/// Whether two texts name one package: old names with capitals are others' than those without
/// (`JSONStream`).
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    a == b
}
