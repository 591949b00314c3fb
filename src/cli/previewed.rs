//! What a plan would do, told: `imgfix plan` and `imgfix check` end alike.

use imgfix_model::finding::Severity;
use imgfix_report::RepairReport;

use super::exit::{self, Failure};
use super::output::Output;
use super::report_files::{OpenReports, Told};
use crate::pipeline::{self, Environment, PlannedImage, Preview};

/// A plan's preview, held against the gate.
pub struct Previewed(Preview);

impl Previewed {
    /// Of a plan, with the evidence that `files` want.
    ///
    /// # Errors
    /// A file of the image cannot be read.
    pub fn of(
        planned: &PlannedImage,
        files: &OpenReports,
        fail_on: Option<Severity>,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let mut preview = pipeline::preview(planned, files.evidence(), environment)?;
        if let Some(threshold) = fail_on {
            preview.report.hold_against(threshold);
        }
        Ok(Self(preview))
    }

    /// The report.
    pub fn report(&self) -> &RepairReport {
        &self.0.report
    }

    /// Writes the files and tells of the gate.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn tell(
        &self,
        files: OpenReports,
        environment: &Environment,
        output: &Output,
    ) -> Result<(), Failure> {
        let Preview { report, evidence, contents } = &self.0;
        let created = environment.edge.source_date_epoch.unwrap_or(environment.edge.now);
        files.write(&Told { report, evidence, contents, vex_author: None, created }, output)?;
        if let Some(gate) = &report.gate {
            output.gate(gate);
        }
        Ok(())
    }

    /// The exit code. `detailed`: whether it says that there is something to do.
    pub fn exit_code(&self, planned: &PlannedImage, detailed: bool) -> u8 {
        let changes = planned.platforms.iter().any(|one| one.repaired.overlay.is_some());
        match (self.report().is_held(), changes && detailed) {
            (true, _) => exit::REMAINING,
            (false, true) => exit::CHANGES,
            (false, false) => exit::DONE,
        }
    }
}
