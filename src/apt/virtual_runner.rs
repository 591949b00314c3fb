//! Maintainer scripts in the virtual shell: nothing of the image is executed.
//!
//! In comes a script that is due, from [`imgfix_dpkg::install`]; it is evaluated over the overlay with
//! the environment that dpkg and apt give to scripts (`src/main/script.c`, and apt's
//! noninteractive use in image builds).

use std::sync::Arc;

use bstr::BString;

use imgfix_dpkg::deb::DebControl;
use imgfix_dpkg::install::{ScriptCall, ScriptRunner};
use imgfix_dpkg_tools::debconf::preconfigure::preconfigure;
use imgfix_model::path::ImagePath;
use imgfix_repair::script_run::Ran;
use imgfix_shell::{Call, Descriptors, Environment, Machine, Settings, Stop, Stream, Table};
use imgfix_vfs::Overlay;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Evaluates scripts with a table of commands.
pub struct VirtualRunner {
    table: Arc<Table>,
    settings: Settings,
}

impl VirtualRunner {
    #[must_use]
    pub fn new(table: Arc<Table>, settings: Settings) -> Self {
        Self { table, settings }
    }

    /// Gives the overlay to a machine for the time of `work`.
    fn on_machine<T>(
        &self,
        overlay: &mut Overlay,
        package: &str,
        work: impl FnOnce(&mut Machine) -> Result<T, Stop>,
    ) -> Result<(T, Vec<u8>), Stop> {
        let table = Arc::clone(&self.table);
        Machine::borrow(overlay, self.settings.clone(), table, package, work)
    }
}

/// What apt's and dpkg's own environment has in an image build.
fn base_environment() -> Environment {
    let pairs = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DPKG_FRONTEND_LOCKED", "true"),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_ROOT", ""),
        ("DPKG_COLORS", "never"),
    ];
    pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

pub(super) fn environment(call: &ScriptCall) -> Environment {
    let mut environment = base_environment();
    let instances = call.instances.to_string();
    let own: [(&str, &str); 6] = [
        ("DPKG_MAINTSCRIPT_PACKAGE", &call.package),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", &instances),
        ("DPKG_MAINTSCRIPT_ARCH", &call.architecture),
        ("DPKG_MAINTSCRIPT_NAME", call.script.name()),
        ("DPKG_MAINTSCRIPT_DEBUG", "0"),
        ("DPKG_RUNNING_VERSION", &call.dpkg_version),
    ];
    environment.extend(own.map(|(name, value)| (BString::from(name), BString::from(value))));
    environment
}

/// A program call with the output of the package manager as its own.
fn call(argv: Vec<BString>, environment: Environment) -> Call {
    let terminal = Stream::terminal;
    Call {
        argv,
        environment,
        directory: ImagePath::root(),
        umask: 0o022,
        descriptors: Descriptors::standard(Stream::null(), terminal(), terminal()),
    }
}

impl ScriptRunner for VirtualRunner {
    fn run(&mut self, overlay: &mut Overlay, script: &ScriptCall) -> Result<Ran, Stop> {
        let mut argv = vec![BString::from(script.path.as_bytes())];
        argv.extend(script.arguments.iter().map(|word| BString::from(word.as_str())));
        let program = call(argv, environment(script));
        let (status, transcript) =
            self.on_machine(overlay, &script.package, |machine| machine.execute(program))?;
        Ok(Ran { status, transcript })
    }

    fn preconfigure(
        &mut self,
        overlay: &mut Overlay,
        packages: &[&DebControl],
    ) -> Result<(), Stop> {
        let call = call(vec!["dpkg-preconfigure".into(), "--apt".into()], base_environment());
        let asked = |machine: &mut Machine| preconfigure(machine, &call, packages);
        self.on_machine(overlay, "dpkg-preconfigure", asked).map(drop)
    }
}
