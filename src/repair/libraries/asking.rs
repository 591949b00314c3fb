//! What it means that a registry of libraries cannot be asked: a reason for one library, unless
//! this machine is at fault, or the user lets nothing be left out.

use imgfix_model::reason::Reason;
use imgfix_repository::FetchError;
use imgfix_repository::leaving_out::Strictness;

use crate::error::RepairerError;
use crate::repairer::Work;

/// The reason of the library for which `source` was asked.
///
/// # Errors
/// It is not that library's alone.
pub fn failed(source: &str, error: FetchError, work: &Work<'_>) -> Result<Reason, RepairerError> {
    let is_strict = work.edge.repositories.strictness == Strictness::Refuse;
    if is_strict || matches!(error, FetchError::Cache { .. } | FetchError::Setup(_)) {
        return Err(error.into());
    }
    Ok(unreadable(source, error.to_string()))
}

/// What `source` has cannot be read.
#[must_use]
pub fn unreadable(source: &str, why: String) -> Reason {
    // what was asked stands in the error already
    let why = why.strip_prefix(&format!("{source}: ")).map_or(why.clone(), str::to_owned);
    Reason::RepositoryUnreadable { source: source.to_owned(), why }
}
