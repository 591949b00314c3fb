//! The same command lines by imgfix's own commands.

use std::sync::Arc;

use bstr::BString;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Call, Descriptors, Machine, Settings, Stop, Stream, Table};
use imgfix_vfs::{FileSystem as _, NoLayers, Overlay, Tree};

use super::disk::Files;
use super::real::{ENVIRONMENT, Outcome};

pub struct Run {
    machine: Machine,
}

impl Run {
    pub fn new(files: Files, now: i64, table: Table) -> Self {
        let tree = Tree::from_entries(files, Arc::new(NoLayers));
        let settings = Settings::new(now, "amd64");
        let overlay = Overlay::new(Arc::new(tree));
        Self { machine: Machine::new(overlay, settings, Arc::new(table)) }
    }

    pub fn run(&mut self, words: &[String]) -> Result<Outcome, Stop> {
        let (output, errors) = (Stream::collector(), Stream::collector());
        // Variables before the program, as with env(1).
        let assigned: Vec<_> = words.iter().map_while(|word| word.split_once('=')).collect();
        let given = ENVIRONMENT.iter().copied().chain(assigned.iter().copied());
        let call = Call {
            argv: words
                .iter()
                .skip(assigned.len())
                .map(|word| BString::from(word.as_str()))
                .collect(),
            environment: given.map(|(name, value)| (name.into(), value.into())).collect(),
            directory: ImagePath::root(),
            umask: 0o022,
            descriptors: Descriptors::standard(Stream::null(), output.clone(), errors.clone()),
        };
        let status = self.machine.execute(call)?;
        let text = |stream: Stream| String::from_utf8_lossy(&stream.collected()).into_owned();
        Ok(Outcome { status, output: text(output), errors: text(errors) })
    }

    pub fn files(&self) -> Files {
        let overlay = &self.machine.overlay;
        let paths = overlay.walk(&ImagePath::root()).into_iter();
        paths.filter_map(|path| Some((path.clone(), overlay.lstat(&path)?.clone()))).collect()
    }
}
