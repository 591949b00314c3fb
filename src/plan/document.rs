//! A plan as a document: saved, loaded again, named by its digest. Loading is strict, because
//! a plan file decides what is installed: an unknown schema, unknown fields of its own, odd
//! URLs or absurd sizes are refused.

use super::Plan;
use crate::image::Digest;

/// The schema that this program writes and reads.
pub const SCHEMA: &str = "imgfix/plan/v1";

/// The most packages one platform's plan may have.
const MAX_STEPS: usize = 20_000;
/// The largest package archive, in bytes.
const MAX_ARCHIVE: u64 = 8 << 30;

/// Why bytes are not a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("not a plan ({0}); make one with 'imgfix plan --save'")]
    Json(String),
    #[error("its schema is {0:?}, and this version of imgfix knows {SCHEMA:?}")]
    Schema(String),
    #[error("{place}: {why}")]
    Invalid { place: String, why: String },
}

impl Plan {
    /// Reads a saved plan.
    ///
    /// # Errors
    /// Not JSON, another schema, or values that no plan of this program has.
    pub fn load(bytes: &[u8]) -> Result<Self, PlanError> {
        #[derive(serde::Deserialize)]
        struct Probe {
            schema: Option<String>,
        }
        let json = |error: serde_json::Error| PlanError::Json(error.to_string());
        let probe: Probe = serde_json::from_slice(bytes).map_err(json)?;
        match probe.schema {
            Some(schema) if schema == SCHEMA => {}
            other => return Err(PlanError::Schema(other.unwrap_or_default())),
        }
        let plan: Plan = serde_json::from_slice(bytes).map_err(json)?;
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), PlanError> {
        for platform in &self.platforms {
            let invalid = |place: &dyn std::fmt::Display, why: &str| {
                Err(PlanError::Invalid {
                    place: format!("{} of {}", place, platform.platform),
                    why: why.to_owned(),
                })
            };
            if platform.steps.len() > MAX_STEPS {
                return invalid(&"steps", "too many");
            }
            for step in &platform.steps {
                let archive = &step.archive;
                let scheme = url::Url::parse(&archive.url).map(|url| url.scheme().to_owned());
                if !scheme.is_ok_and(|scheme| matches!(&*scheme, "http" | "https" | "file")) {
                    return invalid(&step.package, "its URL is not http, https or file");
                }
                if archive.size == 0 || archive.size > MAX_ARCHIVE {
                    return invalid(&step.package, "its size is not that of a package");
                }
            }
        }
        Ok(())
    }

    /// The digest of the plan's compact JSON: the same plan has the same digest everywhere.
    /// The image's name is left out, because a tag or a transport changes nothing of what is
    /// done.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let unnamed = Plan { image: String::new(), ..self.clone() };
        // A plan has string keys only, which always serialise.
        Digest::of(&serde_json::to_vec(&unnamed).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            schema: SCHEMA.to_owned(),
            image: "oci:x:1".to_owned(),
            image_digest: Digest::of(b"x"),
            platforms: Vec::new(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let plan = plan();
        let bytes = serde_json::to_vec(&plan).unwrap();
        assert_eq!(Plan::load(&bytes), Ok(plan.clone()));
        assert_eq!(Plan { image: "other".into(), ..plan.clone() }.digest(), plan.digest());
    }

    #[test]
    fn other_documents_are_refused() {
        assert!(matches!(Plan::load(b"{}"), Err(PlanError::Schema(_))));
        assert!(matches!(Plan::load(b"x"), Err(PlanError::Json(_))));
        let later =
            serde_json::to_vec(&Plan { schema: "imgfix/plan/v2".into(), ..plan() }).unwrap();
        assert!(matches!(Plan::load(&later), Err(PlanError::Schema(_))));
    }
}
