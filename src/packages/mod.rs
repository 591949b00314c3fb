//! Package managers: how a family records, orders, fetches and installs packages. One folder
//! a family; nothing here reaches the network, an image or a report.

pub mod apk;
pub mod dpkg;

pub use crate::model::effects;
pub use crate::model::left_out::LeftOut;
pub use crate::model::package::{
    Architecture, Distribution, Installed, Inventory, PackageId, PackageName, Unfinished,
    is_independent,
};
pub use crate::repair::{archive, os_release, sandbox_fallback, script_run};
pub use crate::repository::repository_url;
pub use crate::versions::{VersionOrder, VersionText};
