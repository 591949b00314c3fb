//! From the options of a subcommand to what its run needs, and the moment from which it has no
//! more. Comes in: options, policy, environment variables. Goes out: a confined process
//! ([`imgfix_confinement`]), whose threads start afterwards.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::notify::Kind;
use crate::policy::{OriginalPolicy, Policy};
use imgfix_confinement as confinement;
use imgfix_confinement::{Confined, Needs, Network, machine};
use imgfix_oci::Reference;
use imgfix_oci::registry::credentials;
use imgfix_repair::edge::ScriptsMode;

use super::interrupt::Watcher;
use super::options::{self, FindingOptions, ImageOptions, RepositoryOptions};
use super::output::Output;
use super::policy_files::Places;
use super::registry_options::RegistryAccess;

/// Options that every subcommand takes.
#[derive(Debug, Args)]
pub struct ConfinementOptions {
    /// Keep access to all files of this machine, not only to those that the run needs
    #[arg(long, global = true)]
    unconfined: bool,
}

/// A run that has no threads yet.
pub struct Start {
    output: Arc<Output>,
    watcher: Option<Watcher>,
    unconfined: bool,
    command_line: String,
}

impl Start {
    #[must_use]
    pub fn new(
        options: &ConfinementOptions,
        command_line: String,
        output: Arc<Output>,
        watcher: Option<Watcher>,
    ) -> Self {
        Self { output, watcher, unconfined: options.unconfined, command_line }
    }

    /// How the program was called, for a shell.
    #[must_use]
    pub fn command_line(&self) -> String {
        self.command_line.clone()
    }

    #[must_use]
    pub fn output(&self) -> Arc<Output> {
        Arc::clone(&self.output)
    }

    /// Gives up everything but `needs`, and starts the first thread: what watches for signals,
    /// which removes files and so must be as confined as the rest. Until here a signal ends the
    /// process at once.
    pub fn confined(mut self, needs: &Needs) -> Confined {
        let confined = match self.unconfined {
            true => Confined::default(),
            false => confinement::confine(needs, self.output.unfinished()),
        };
        self.watch();
        self.output.progress().detail(&confined.to_string());
        confined
    }

    /// Gives up everything but `needs` for now: [`Start::confined`] gives up the rest. No thread
    /// starts, and a signal ends the process at once.
    pub fn confined_for_now(&self, needs: &Needs) {
        if !self.unconfined {
            let confined = confinement::confine(needs, self.output.unfinished());
            self.output.progress().detail(&format!("policy files: {confined}"));
        }
    }

    /// For what reads and removes the user's own files only.
    pub fn unconfined(mut self) {
        self.watch();
    }

    fn watch(&mut self) {
        let Some(watcher) = self.watcher.take() else { return };
        if let Err(error) = watcher.start(Arc::clone(&self.output)) {
            let why = format!("an interruption may leave files behind: {error}");
            self.output.progress().warn(&why);
        }
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// What `imgfix findings` needs: the reports.
#[must_use]
pub fn of_findings(reports: &[PathBuf]) -> Needs {
    let mut needs = Needs { network: Network::None, ..Needs::default() };
    machine::needs(&mut needs, None);
    needs.read(reports);
    needs
}

/// What `imgfix config` needs while it reads the policy files. What they extend is known only when
/// they are read, and may be anywhere on this machine, behind a URL or in a registry.
#[must_use]
pub fn of_policy_files(places: &Places, access: &RegistryAccess) -> Needs {
    let mut needs = of_policy();
    needs.read(&places.files);
    if places.extend {
        needs.add("/", confinement::Rights::Read);
        network(&mut needs);
        needs.program = credentials::any_helper(access.authfile.as_deref(), &variable);
    }
    needs
}

/// What `imgfix config` needs when it has read the policy files.
#[must_use]
pub fn of_policy() -> Needs {
    let mut needs = Needs { network: Network::None, ..Needs::default() };
    machine::needs(&mut needs, None);
    needs
}

/// What reading of images needs.
#[must_use]
pub fn of_images(options: &ImageOptions, images: &[&Reference]) -> Needs {
    let mut needs = Needs { network: Network::None, ..Needs::default() };
    machine::needs(&mut needs, Some(&std::env::temp_dir()));
    for image in images {
        needs.source(image);
        registry(&mut needs, options, image);
    }
    needs
}

/// What an image of a registry needs: the network, certificates, and the login, for which a
/// helper may have to be run.
fn registry(needs: &mut Needs, options: &ImageOptions, image: &Reference) {
    let Reference::Registry(name) = image else { return };
    network(needs);
    needs.read(&options.registry.ca_file);
    let authfile = options.registry.authfile.as_deref();
    needs.read(&credentials::files(authfile, &variable));
    let helper = credentials::helper(authfile, name.registry(), name.repository(), &variable);
    needs.program = needs.program.take().or(helper);
}

fn network(needs: &mut Needs) {
    if needs.network == Network::None {
        needs.network = Network::Needed;
        machine::network(needs, &variable);
    }
}

/// What a plan needs besides its image.
pub fn planning(
    needs: &mut Needs,
    findings: &FindingOptions,
    repositories: &RepositoryOptions,
    policy: &Policy,
) {
    policy.replace.iter().for_each(|rule| needs.url(&rule.url));
    needs.read(&findings.report);
    needs.read(&findings.ignore_file);
    for line in &repositories.repository {
        needs.repository(line);
    }
    for mirror in &repositories.mirror {
        let to = mirror.find("=file:").and_then(|at| mirror.get(at + 1..));
        to.into_iter().for_each(|url| needs.url(url));
    }
    if let Some(folder) = options::cache_folder(repositories) {
        needs.keep(&folder, 0o700);
    }
    if !repositories.offline {
        network(needs);
    }
    if repositories.scripts == Some(ScriptsMode::Sandbox) {
        needs.program = Some("the sandbox of --scripts sandbox".to_owned());
    }
}

/// What a check needs besides its image.
pub fn checking(needs: &mut Needs, findings: &FindingOptions) {
    needs.read(&findings.ignore_file);
}

/// What a repair writes.
pub struct Written<'a> {
    pub image: &'a Reference,
    /// `-o`
    pub output: Option<&'a Reference>,
    pub suffix: &'a str,
    pub original: &'a OriginalPolicy,
}

impl Written<'_> {
    /// Where the repaired image goes.
    #[must_use]
    pub fn output(&self) -> Reference {
        match self.output {
            Some(output) => output.clone(),
            None => self.beside(self.suffix),
        }
    }

    /// A tag beside the image's. When it has none, it gets one when it is open; where it lies is
    /// known before.
    fn beside(&self, suffix: &str) -> Reference {
        self.image.with_fix_suffix(suffix).unwrap_or_else(|_| self.image.clone())
    }

    pub fn add(&self, needs: &mut Needs, options: &ImageOptions) {
        let output = self.output();
        needs.output(&output);
        // what was published is read back
        needs.source(&output);
        registry(needs, options, &output);
        match self.original {
            OriginalPolicy::Keep => {}
            OriginalPolicy::Backup { suffix } => needs.output(&self.beside(suffix)),
            OriginalPolicy::Delete => needs.output(self.image),
        }
    }
}

/// What telling people needs.
pub fn notifications(needs: &mut Needs, options: &ImageOptions, policy: &Policy) {
    for target in &policy.notify {
        match &target.kind {
            Kind::File { path } => needs.add(path, confinement::Rights::Append),
            _ => {
                needs.read(&options.registry.ca_file);
                network(needs);
            }
        }
    }
}
