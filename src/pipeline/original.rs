//! The deletion of the original's tag after a repair (`original = "delete"`).
//!
//! In comes a repair that was published, read back and scanned; the tag is deleted only when
//! the repaired image stands for it: something was upgraded, and nothing remains that the user
//! would not accept. Whatever keeps the tag is a warning in the report and no failure, since
//! the repaired image is there.

use super::{Environment, RepairError, RepairOutcome, SourceImage};
use imgfix_oci as image;
use imgfix_oci::Reference;

/// Deletes the tag that was repaired, or notes in the report why it was kept: what holds the gate
/// of the report keeps it, too.
///
/// # Errors
/// The repaired image cannot be read after the deletion.
pub fn delete(outcome: &mut RepairOutcome, environment: &Environment) -> Result<(), RepairError> {
    let Some(output) = &outcome.report.output else { return Ok(()) };
    let SourceImage { reference: original, digest } = &outcome.source;
    let output_reference: Reference = output.reference.parse()?;
    if output_reference.replaces(original) {
        environment.edge.progress.detail(&format!("{original} is the repaired image now"));
        return Ok(());
    }
    let repaired = outcome.report.platforms.iter().any(|platform| platform.manifest.is_some());
    let holding = outcome.report.gate.as_ref().map_or(0, |gate| gate.held_by.len());
    let kept = match (repaired, holding) {
        (false, _) => Some("nothing was repaired".to_owned()),
        (true, 0) => None,
        (true, 1) => Some("1 vulnerability at or above --fail-on remains".to_owned()),
        (true, n) => Some(format!(
            "{} at or above --fail-on remain",
            outcome.report.summary.vulnerabilities.noun(n)
        )),
    };
    if let Some(why) = kept {
        outcome.report.warnings.push(format!("The original {original} was not deleted: {why}"));
        return Ok(());
    }
    let deleted =
        image::delete_tag(original, digest, &environment.registry, &environment.edge.unfinished);
    if let Err(error) = deleted {
        let text = format!("The original {original} was not deleted: {error}");
        outcome.report.warnings.push(text);
        return Ok(());
    }
    environment.edge.progress.message(&format!("deleted the original {original}"));
    image::open_source(&output_reference, &environment.registry)
        .and_then(|source| source.root())
        .map(|_| ())
        .map_err(|error| RepairError::ReadBack {
            reference: output.reference.clone(),
            why: format!("after the original was deleted: {error}"),
        })
}
