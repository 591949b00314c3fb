//! Scripts of packages in the virtual shell, and those that cannot be evaluated there in a sandbox,
//! where the image's own programs run cut off from this machine (`--scripts sandbox`), for any
//! family.
//!
//! In comes a call of a script, as the family makes it; out comes what it left, with the same
//! environment both ways.

use bytes::Bytes;

use super::script_run::{Ran, ScriptCall, ScriptRunner};
use super::virtual_runner::VirtualRunner;
use imgfix_model::path::ImagePath;
use imgfix_shell::Stop;
use imgfix_shell::sandbox::{Command, Sandbox, Settings};
use imgfix_vfs::{Entry, FileSystem as _, Overlay, RootfsError};

/// Runs scripts, in a sandbox where they cannot be evaluated. It is made when the first one
/// needs it.
pub struct SandboxRunner {
    evaluator: VirtualRunner,
    settings: Settings,
    sandbox: Option<Sandbox>,
}

impl SandboxRunner {
    /// Runs what `evaluator` cannot evaluate in a sandbox with these settings.
    #[must_use]
    pub fn new(evaluator: VirtualRunner, settings: Settings) -> Self {
        Self { evaluator, settings, sandbox: None }
    }

    /// Evaluates a script; after a stop the overlay is as it was, and `command` is run.
    fn run_either(
        &mut self,
        overlay: &mut Overlay,
        call: &impl ScriptCall,
        command: Result<Command, Stop>,
    ) -> Result<Ran, Stop> {
        let before = overlay.clone();
        let stop = match self.evaluator.run(overlay, call) {
            Ok(ran) => return Ok(ran),
            // no script's fault, and a sandbox's files would be on the same disk
            Err(stop) if stop.is_of_this_machine => return Err(stop),
            Err(stop) => stop,
        };
        *overlay = before;
        let ran = command.and_then(|command| self.run_inside(overlay, &command));
        ran.map_err(|inside| Stop {
            detail: format!("{}; in a sandbox: {}", stop.detail, inside.detail),
            is_of_this_machine: inside.is_of_this_machine,
            ..stop
        })
    }

    fn run_inside(&mut self, overlay: &mut Overlay, command: &Command) -> Result<Ran, Stop> {
        let sandbox = match &mut self.sandbox {
            Some(sandbox) => sandbox,
            none => none.insert(Sandbox::new(self.settings.clone())?),
        };
        let finished = sandbox.run(overlay, command)?;
        Ok(Ran { status: finished.status, transcript: finished.transcript })
    }
}

impl<C: ScriptCall> ScriptRunner<C> for SandboxRunner {
    fn run(&mut self, overlay: &mut Overlay, call: &C) -> Result<Ran, Stop> {
        let placed = match call.in_memory() {
            Some((text, _)) => Some(Placed::put(overlay, call.path(), text)?),
            None => None,
        };
        let environment = call.environment().into_iter().collect();
        let command = call.command().map(|argv| Command { argv, environment });
        let ran = self.run_either(overlay, call, command)?;
        if let Some(placed) = placed {
            placed.take_away(overlay);
        }
        Ok(ran)
    }
}

/// A script that its package manager has in memory, in a file, from which a sandbox can run it.
/// apk 3 does the same where there is no memory file.
struct Placed {
    script: ImagePath,
    /// The folders that were made for it, the outermost first.
    folders: Vec<ImagePath>,
}

impl Placed {
    fn put(overlay: &mut Overlay, path: &ImagePath, text: &Bytes) -> Result<Self, Stop> {
        let failed = |error: RootfsError| {
            Stop::from_error(format!("it cannot be put at {path}: {error}"), &error)
        };
        let mut folders = Vec::new();
        for parent in path.ancestors() {
            let real = overlay.resolve(&parent).map_err(failed)?;
            if overlay.lstat(&real).is_none() {
                overlay.set(real.clone(), Entry::directory(0o700, 0)).map_err(failed)?;
                folders.push(real);
            }
        }
        let script = overlay.resolve_parent(path).map_err(failed)?;
        overlay.set(script.clone(), Entry::file(text.clone(), 0o755, 0)).map_err(failed)?;
        Ok(Self { script, folders })
    }

    fn take_away(self, overlay: &mut Overlay) {
        overlay.remove(&self.script);
        for folder in self.folders.iter().rev() {
            if overlay.read_dir(folder).is_empty() {
                overlay.remove(folder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use imgfix_vfs::{NoLayers, Tree};

    #[test]
    fn a_script_in_memory_is_put_for_the_sandbox_and_nothing_of_it_stays() {
        let path = ImagePath::literal("/lib/apk/exec/demo-1.post-upgrade");
        for folder in ["/lib/apk", "/lib/apk/exec"] {
            let there = (ImagePath::literal(folder), Entry::directory(0o755, 0));
            let tree = Tree::from_entries([there], Arc::new(NoLayers));
            let mut overlay = Overlay::new(Arc::new(tree));
            let placed = Placed::put(&mut overlay, &path, &Bytes::from_static(b"x")).unwrap();
            assert_eq!(overlay.lstat(&path).unwrap().mode, 0o755);
            placed.take_away(&mut overlay);
            assert!(overlay.lstat(&path).is_none());
            let is_there = overlay.lstat(&ImagePath::literal("/lib/apk/exec")).is_some();
            assert_eq!(is_there, folder == "/lib/apk/exec");
        }
    }
}
