//! Scripts of rpm's packages as the house runs them: what installation calls becomes a
//! [`Scriptlet`], and any runner of these runs it.

use imgfix_repair::script_run::{Ran, ScriptRunner, Trouble};
use imgfix_rpm::install::{Release, ScriptCall, Scripts};
use imgfix_rpm_tools::lua::Numbers;
use imgfix_rpm_tools::{Expansion, Scriptlet};
use imgfix_vfs::Overlay;

/// Runs the scripts of a transaction.
pub struct Scriptlets<'r> {
    runner: &'r mut dyn ScriptRunner<Scriptlet>,
    numbers: Numbers,
}

impl<'r> Scriptlets<'r> {
    /// With a runner, for a rpm whose Lua shows numbers like this.
    pub fn new(runner: &'r mut dyn ScriptRunner<Scriptlet>, numbers: Numbers) -> Self {
        Self { runner, numbers }
    }
}

/// How the Lua shows numbers that distributions have linked to a rpm: 5.1 up to Enterprise Linux 7,
/// 5.3 and 5.4 since.
#[must_use]
pub fn numbers_of(release: Release) -> Numbers {
    if release < Release::new(4, 14) { Numbers::OneKind } else { Numbers::Floats }
}

impl Scripts for Scriptlets<'_> {
    fn run(&mut self, overlay: &mut Overlay, call: &ScriptCall) -> Result<Ran, Trouble> {
        let scriptlet = Scriptlet {
            body: call.body.clone(),
            arguments: call.counts.iter().map(u32::to_string).collect(),
            paths: call.paths.clone(),
            expansion: Expansion::from_flags(call.flags.0),
            numbers: self.numbers,
            ..Scriptlet::new(call.package.clone(), call.title.clone())
                .with_program(call.program.clone())
        };
        self.runner.run(overlay, &scriptlet).map_err(Trouble::from)
    }
}
