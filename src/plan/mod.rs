//! Which packages go to which version, and why.

pub use crate::model::checksum::{self, ArchiveChecksum};
pub use crate::model::document::{self, PlanError, SCHEMA};
pub use crate::model::plan::{
    Archive, Because, KeptBack, Plan, PlatformPlan, Removal, Step, Unfixed,
};
pub use crate::model::reason::Reason;
pub use crate::repair::choice;
pub use crate::report::plan as explain;
pub use crate::solve::{effort, order, solver};
