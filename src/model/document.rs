//! A plan as a document: saved, loaded again, named by its digest. Loading is strict, because
//! a plan file decides what is installed: an unknown schema, unknown fields of its own, odd
//! URLs or absurd sizes are refused.

use std::collections::BTreeSet;

use super::digest::Digest;
use super::plan::{Plan, Step};
use imgfix_json as json;

/// The schema that this program writes and reads.
pub const SCHEMA: &str = "imgfix/plan/v1";

/// The largest plan file, in bytes. Real ones stay below one megabyte.
pub const MAX_PLAN: usize = 64 << 20;

/// The most platforms a plan may have.
const MAX_PLATFORMS: usize = 256;
/// The most packages one platform's plan may have.
const MAX_STEPS: usize = 20_000;
/// The longest package name, architecture or version, in bytes.
const MAX_WORD: usize = 255;
/// The largest package archive, in bytes.
const MAX_ARCHIVE: u64 = 8 << 30;

/// Why bytes are not a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The file has this many bytes, which are more than [`MAX_PLAN`]; it is not parsed.
    #[error("{0} bytes are more than the {MAX_PLAN} bytes that a plan may have")]
    TooLarge(usize),
    /// The bytes are not JSON, or a field is missing, unknown or of another type; what the reader
    /// says of it.
    #[error("not a plan ({0}); make one with 'imgfix plan --save'")]
    Json(String),
    /// The document has this schema, which is another one than [`SCHEMA`]; empty when it names
    /// none.
    #[error("its schema is {0:?}, and this version of imgfix knows {SCHEMA:?}")]
    Schema(String),
    #[error("{place}: {why}; make the plan anew with 'imgfix plan --save'")]

    /// A value that no plan of this program has.
    Invalid {
        /// Where it is: `step 2 of linux/amd64`.
        place: String,
        /// Half a sentence: `its URL is not http, https or file`.
        why: String,
    },
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
        if bytes.len() > MAX_PLAN {
            return Err(PlanError::TooLarge(bytes.len()));
        }
        let json = |error: json::JsonError| PlanError::Json(error.to_string());
        let probe: Probe = json::read(bytes).map_err(json)?;
        match probe.schema {
            Some(schema) if schema == SCHEMA => {}
            other => return Err(PlanError::Schema(other.unwrap_or_default())),
        }
        let plan: Plan = json::read(bytes).map_err(json)?;
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), PlanError> {
        let invalid =
            |place: String, why: &str| Err(PlanError::Invalid { place, why: why.to_owned() });
        if self.platforms.len() > MAX_PLATFORMS {
            return invalid("platforms".to_owned(), "more than a plan may have");
        }
        let mut platforms = BTreeSet::new();
        for platform in &self.platforms {
            let name = &platform.platform;
            if !platforms.insert(name) {
                return invalid(format!("platform {name}"), "it is there twice");
            }
            if platform.steps.len() > MAX_STEPS {
                return invalid(format!("steps of {name}"), "more than a plan may have");
            }
            let mut packages = BTreeSet::new();
            for (at, step) in platform.steps.iter().enumerate() {
                let place = || format!("step {} of {name}", at + 1);
                if let Err(why) = check_step(step) {
                    return invalid(place(), why);
                }
                if !packages.insert(&step.package) {
                    return invalid(place(), "its package is in the plan twice");
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

/// Whether a step is one that this program could have written.
fn check_step(step: &Step) -> Result<(), &'static str> {
    let is_word = |text: &str, more: &str| {
        (1..=MAX_WORD).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    if !is_word(step.package.name.as_ref(), "-+._") {
        return Err("its package name is not one");
    }
    if !is_word(step.package.architecture.as_ref(), "-_") {
        return Err("its architecture is not one");
    }
    let versions = [Some(&step.to), step.from.as_ref()];
    if !versions.into_iter().flatten().all(|version| is_version(version.as_ref())) {
        return Err("its version is not one");
    }
    let scheme = url::Url::parse(&step.archive.url).map(|url| url.scheme().to_owned());
    if !scheme.is_ok_and(|scheme| matches!(&*scheme, "http" | "https" | "file")) {
        return Err("its URL is not http, https or file");
    }
    if step.archive.size == 0 || step.archive.size > MAX_ARCHIVE {
        return Err("its size is not that of a package");
    }
    Ok(())
}

/// Printable and in one piece; what a version is exactly is the family's business.
fn is_version(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_graphic() && !"/\\'\"`$".contains(c))
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

    fn with_step(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut step = serde_json::json!({
            "package": {"name": "libc6", "architecture": "amd64"},
            "from": "2.36-9",
            "to": "2.36-9+deb12u10",
            "archive": {
                "url": "http://deb.example/pool/libc6.deb",
                "size": 7,
                "checksum": Digest::of(b"").to_string(),
                "repository": "http://deb.example stable main",
            },
            "because": ["newer"],
        });
        change(&mut step);
        let platform = serde_json::json!({
            "platform": {"os": "linux", "architecture": "amd64"},
            "manifest_digest": Digest::of(b"m").to_string(),
            "steps": [step],
            "unfixed": [],
        });
        let mut plan = serde_json::to_value(plan()).unwrap();
        plan["platforms"] = serde_json::json!([platform]);
        serde_json::to_vec(&plan).unwrap()
    }

    #[test]
    fn steps_that_no_plan_has_are_refused() {
        use serde_json::{Value, json};
        assert_eq!(Plan::load(&with_step(|_| ())).unwrap().platforms[0].steps.len(), 1);
        let cases: [(&str, Value, &str); 10] = [
            ("/archive/url", json!("ftp://deb.example/x.deb"), "URL"),
            ("/archive/url", json!("nonsense"), "URL"),
            ("/archive/size", json!(0), "size"),
            ("/archive/size", json!(1u64 << 50), "size"),
            ("/archive/size", json!(-1), "not a plan"),
            ("/archive/checksum", json!("md5:1"), "not a package checksum"),
            ("/package/name", json!("../../etc"), "package name"),
            ("/package/architecture", json!("amd64/x"), "architecture"),
            ("/to", json!("1;\n"), "version"),
            ("/from", json!(""), "version"),
        ];
        for (place, value, want) in cases {
            let bytes = with_step(|step| *step.pointer_mut(place).unwrap() = value.clone());
            let error = Plan::load(&bytes).unwrap_err().to_string();
            assert!(error.contains(want), "{place} {value}: {error}");
        }
        let extra = with_step(|step| step["run"] = json!("sh"));
        assert!(Plan::load(&extra).unwrap_err().to_string().contains("unknown field"));
    }

    #[test]
    fn duplicates_and_huge_files_are_refused() {
        let mut plan: serde_json::Value = serde_json::from_slice(&with_step(|_| ())).unwrap();
        let steps = plan["platforms"][0]["steps"].as_array_mut().unwrap();
        steps.push(steps[0].clone());
        let error = Plan::load(&serde_json::to_vec(&plan).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("step 2 of linux/amd64: its package is in the plan twice"));
        let twice = plan["platforms"][0].clone();
        plan["platforms"][0]["steps"] = serde_json::json!([]);
        plan["platforms"].as_array_mut().unwrap().push(twice);
        let error = Plan::load(&serde_json::to_vec(&plan).unwrap()).unwrap_err().to_string();
        assert!(error.contains("platform linux/amd64: it is there twice"), "{error}");
        assert!(matches!(Plan::load(&vec![b' '; MAX_PLAN + 1]), Err(PlanError::TooLarge(_))));
    }
}
