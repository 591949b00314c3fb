//! [`Verdict`]: what became of a finding, read back from the repaired image.

use serde::Serializer;

use super::finding::Finding;
use super::reason::Reason;

/// A finding and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedFinding {
    /// The finding, as the merged reports have it.
    pub finding: Finding,
    /// What became of it in this image.
    pub verdict: Verdict,
}

/// What became of a finding, read back from the repaired image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The package is at `version` now, which does not have the problem; before, it had it.
    Fixed {
        /// The version in the repaired image, several joined by commas; `(1.2 was removed)` when
        /// nothing of it is left.
        version: String,
    },
    /// The package was at `version` already, which does not have the problem.
    NotAffected {
        /// The version before the repair, several joined by commas.
        version: String,
    },
    /// The problem is there, and cannot be used any more.
    Mitigated {
        /// What prevents its use, as half a sentence.
        how: String,
    },
    /// The problem is still there, or nothing proves that it is gone.
    NotFixed {
        /// Why it is not fixed: the plan's reason, or what was read back.
        reason: Reason,
    },
}

/// How a verdict counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was there, and is gone.
    Fixed,
    /// Still there, and out of use.
    Mitigated,
    /// Still there.
    Left,
    /// Still there, and the user said to leave it.
    Ignored,
    /// It was not there before the repair.
    NotAffected,
}

impl Outcome {
    /// Whether a gate lets it pass though it is still there: the user said so, or it is out of
    /// use.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        matches!(self, Outcome::Ignored | Outcome::Mitigated)
    }
}

impl Verdict {
    /// How this verdict counts: not fixed because the user said so is [`Outcome::Ignored`].
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Verdict::Fixed { .. } => Outcome::Fixed,
            Verdict::Mitigated { .. } => Outcome::Mitigated,
            Verdict::NotAffected { .. } => Outcome::NotAffected,
            Verdict::NotFixed { reason: Reason::Ignored { .. } } => Outcome::Ignored,
            Verdict::NotFixed { .. } => Outcome::Left,
        }
    }
}

impl serde::Serialize for JudgedFinding {
    /// The finding's fields and `verdict`; with it `fixed_by`, or `explanation`, or `reason` with
    /// `explanation`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Flat<'a> {
            #[serde(flatten)]
            finding: &'a Finding,
            verdict: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            fixed_by: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a Reason>,
            #[serde(skip_serializing_if = "Option::is_none")]
            explanation: Option<String>,
        }
        let (verdict, fixed_by, reason) = match &self.verdict {
            Verdict::Fixed { version } => ("fixed", Some(version.as_str()), None),
            Verdict::Mitigated { .. } => ("mitigated", None, None),
            Verdict::NotAffected { .. } => ("not-affected", None, None),
            Verdict::NotFixed { reason } => ("not-fixed", None, Some(reason)),
        };
        let explanation = match &self.verdict {
            Verdict::NotAffected { version } => Some(not_affected(version)),
            Verdict::Mitigated { how } => Some(how.clone()),
            _ => reason.map(ToString::to_string),
        };
        Flat { finding: &self.finding, verdict, fixed_by, reason, explanation }
            .serialize(serializer)
    }
}

/// What is said of a finding whose problem the installed version did not have.
#[must_use]
pub fn not_affected(version: &str) -> String {
    format!("was not affected at {version}")
}
