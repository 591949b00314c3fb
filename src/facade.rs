//! The library's front: [`Repair`], a repair as the command line does it when nothing more is asked
//! for. In come an image, reports and, if need be, repositories; out comes the
//! [`RepairOutcome`], with the report that the program would print. Who wants more than this (saved
//! plans, policies, other limits) calls [`pipeline`] with an
//! [`Environment`] of their own.

use std::sync::Arc;

use imgfix_confinement::Confined;
use imgfix_host::pace::Pace;
use imgfix_host::progress::{SharedProgress, Silent};
use imgfix_host::unfinished::Unfinished;
use imgfix_oci::{Reference, RegistryOptions};
use imgfix_solve::effort::Effort;
use imgfix_vfs::Compression;
use imgfix_vfs::layer::LayerOptions;
use imgfix_vfs::limits::LayerLimits;
use tokio::runtime::Runtime;

use crate::machine;
use crate::pipeline::families::Kinds;
use crate::pipeline::{
    self, AfterFetching, Edge, Environment, Evidence, IdenticalPolicy, NamedReport, PlanRequest,
    RepairError, RepairOutcome, RepairRequest, RepositoryChoice, ScanInput, ScriptsMode, Withhold,
    families,
};
use crate::policy::OriginalPolicy;
use imgfix_baseline::RuleChoice;

/// A repair of one image, to be run.
pub struct Repair {
    image: Reference,
    output: Option<Reference>,
    reports: Vec<NamedReport>,
    repositories: RepositoryChoice,
    identical: IdenticalPolicy,
    kinds: Kinds,
    progress: SharedProgress,
}

impl Repair {
    /// Of the image that `reference` names, as the command line takes it: `oci:DIR:TAG`,
    /// `docker://HOST/REPO:TAG` and so on.
    ///
    /// # Errors
    /// It names no image.
    pub fn of(reference: &str) -> Result<Self, RepairError> {
        Ok(Self {
            image: reference.parse()?,
            output: None,
            reports: Vec::new(),
            repositories: RepositoryChoice::default(),
            identical: IdenticalPolicy::default(),
            kinds: families::KINDS,
            progress: Arc::new(Silent),
        })
    }

    /// Adds a scanner's report: its name for messages, and its bytes. Without any, everything
    /// that the repositories have newer is upgraded.
    #[must_use]
    pub fn report(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.reports.push(NamedReport { name: name.to_owned(), bytes });
        self
    }

    /// Takes packages from this repository, as `--repository` has it, instead of the image's own.
    #[must_use]
    pub fn repository(mut self, line: &str) -> Self {
        self.repositories.lines.push(line.to_owned());
        self
    }

    /// Leaves files out of the layer that differ from the original's in nothing but their time.
    #[must_use]
    pub fn skip_identical(mut self) -> Self {
        self.identical = IdenticalPolicy::LeftOut;
        self
    }

    /// Looks for stores of these kinds, in this order, instead of those that imgfix brings
    /// ([`families::KINDS`]): a caller's own repairers among them.
    #[must_use]
    pub fn kinds(mut self, kinds: Kinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// Publishes the repaired image there, instead of beside the original.
    ///
    /// # Errors
    /// It names no place.
    pub fn output(mut self, reference: &str) -> Result<Self, RepairError> {
        self.output = Some(reference.parse()?);
        Ok(self)
    }

    /// Whom to tell what is done meanwhile; nobody by default.
    #[must_use]
    pub fn progress(mut self, progress: SharedProgress) -> Self {
        self.progress = progress;
        self
    }

    /// Repairs, publishes and reads back. It blocks, and must not be called in an asynchronous
    /// task. The process gives up no rights: that is the program's, which has no other work.
    ///
    /// # Errors
    /// Nothing was published, except for [`RepairError::ReadBack`].
    pub fn run(self) -> Result<RepairOutcome, RepairError> {
        let runtime = Arc::new(Runtime::new().map_err(RepairError::Temporary)?);
        let limits = LayerLimits::default();
        let environment = Environment {
            registry: RegistryOptions {
                runtime: Some(Arc::clone(&runtime)),
                limits,
                ..RegistryOptions::default()
            },
            limits,
            kinds: self.kinds,
            baseline: families::baseline(RuleChoice::default()).unwrap_or_default(),
            edge: Edge {
                progress: self.progress,
                repositories: self.repositories,
                identity_check: families::identity_check(self.kinds),
                pace: Pace::default(),
                memory: machine::memory(),
                effort: Effort::default(),
                replacements: Vec::new(),
                scripts: ScriptsMode::default(),
                script_time: machine::script_time(machine::MAX_SCRIPT_TIME),
                now: machine::now(),
                source_date_epoch: None,
                runtime,
                network: AfterFetching::Stays,
                unfinished: Unfinished::default(),
            },
            confined: Confined::default(),
        };
        let request = RepairRequest {
            plan: PlanRequest {
                image: self.image,
                platforms: Vec::new(),
                scan: ScanInput { reports: self.reports, ..ScanInput::default() },
                packages: imgfix_repair::choice::PackageChoice::default(),
                digests: self.identical.digests(),
                view: pipeline::View::Original,
            },
            saved: None,
            output: self.output,
            suffix: pipeline::DEFAULT_SUFFIX.to_owned(),
            layer: LayerOptions { compression: Compression::Gzip, level: None },
            identical: self.identical,
            original: OriginalPolicy::Keep,
            evidence: Evidence::None,
            withhold: Withhold::default(),
        };
        pipeline::repair(&request, &environment)
    }
}
