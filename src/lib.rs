//! imgfix repairs container images: it reads what a scanner found, picks upgraded
//! packages from the distribution's own signed repositories, composes one patch
//! layer on top of the original layers and proves what it fixed.
//!
//! A repair is a function from (image, findings, repository state) to (one layer,
//! new config, new manifest, a verdict per finding). The rooms under `src/` are crates, one a
//! step of that function; [`pipeline`] is the only place that knows the order of the steps, and
//! this crate holds what is the program's own. `ARCHITECTURE.md` says who may call whom.
//!
//! A program of somebody else's repairs an image like this:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
//! # let work = tempfile::tempdir()?;
//! # let image = work.path().join("image");
//! # let copied = std::process::Command::new("cp")
//! #     .arg("-r").arg(format!("{fixtures}/debian-12")).arg(&image).status()?;
//! # assert!(copied.success());
//! # let image = format!("oci:{}:12", image.display());
//! # let report = format!("{fixtures}/reports/debian-12.trivy.json");
//! # let repository = format!(
//! #     "deb [signed-by={fixtures}/repository/key.asc] file://{fixtures}/repository \
//! #      bookworm-security main"
//! # );
//! let done = imgfix::Repair::of(&image)?
//!     .report("trivy.json", std::fs::read(report)?)
//!     .repository(&repository) // without it: those of the image
//!     .run()?;
//! let summary = &done.report.summary;
//! println!("{} fixed, {} not fixed", summary.fixed, summary.not_fixed);
//! for finding in done.report.platforms.iter().flat_map(|platform| &platform.findings) {
//!     println!("{}: {:?}", finding.finding.id, finding.verdict);
//! }
//! # assert_eq!((summary.fixed, summary.not_fixed), (134, 3));
//! # assert!(done.report.output.is_some_and(|it| it.reference.ends_with(":12_fix")));
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

#[cfg(feature = "cli")]
pub mod cli;
mod facade;
mod machine;
pub mod notify;
pub mod pipeline;
pub mod policy;
pub mod scanner;
pub mod size;

pub use facade::Repair;
