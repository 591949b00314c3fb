//! [`State`]: everything of a shell that a subshell gets a copy of.

use std::collections::BTreeMap;
use std::rc::Rc;

use bstr::BString;

use super::Dialect;
use super::variables::Variables;
use crate::syntax::is_name;
use crate::syntax::tree::Command;
use crate::{Call, Descriptors, Machine};
use imgfix_model::path::ImagePath;

/// Options of `set`, by letter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub all_export: bool,
    pub no_clobber: bool,
    pub exit_on_error: bool,
    pub no_glob: bool,
    pub no_execute: bool,
    pub no_unset: bool,
    pub verbose: bool,
    pub trace: bool,
    /// bash's `set -o pipefail`.
    pub pipe_fail: bool,
}

/// Options of bash's `shopt`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ShellOptions {
    pub null_glob: bool,
    pub dot_glob: bool,
    pub fail_glob: bool,
    pub no_case_match: bool,
    pub inherit_errexit: bool,
}

/// Where `getopts` stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct OptionScan {
    /// Position inside a group of options (`-abc`); 0 for the next argument.
    pub offset: usize,
}

#[derive(Clone)]
pub(super) struct State {
    pub variables: Variables,
    pub functions: Rc<BTreeMap<BString, Rc<Command>>>,
    pub options: Options,
    pub shell_options: ShellOptions,
    pub name: BString,
    pub positional: Rc<Vec<BString>>,
    pub status: u8,
    /// Status of the last command substitution of the command being expanded.
    pub substituted: Option<u8>,
    /// Statuses of the last pipeline (bash).
    pub pipe_statuses: Vec<u8>,
    /// Where the shell is: links followed.
    pub directory: ImagePath,
    /// Where it says it is.
    pub logical_directory: BString,
    pub umask: u32,
    pub descriptors: Descriptors,
    /// What runs at a signal, by its name; `None`: it is ignored.
    pub traps: BTreeMap<BString, Option<BString>>,
    /// The line being run.
    pub line: u32,
    pub loops: u32,
    pub functions_running: u32,
    pub scan: OptionScan,
    pub process_id: u64,
}

/// What dash searches when nobody has set `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl State {
    pub(super) fn new(machine: &mut Machine, dialect: Dialect, call: Call) -> Self {
        let mut argv = call.argv.into_iter();
        let name = argv.next().unwrap_or_default();
        let mut variables = Variables::default();
        for (key, value) in [("PATH", DEFAULT_PATH), ("PS1", "# "), ("PS2", "> "), ("PS4", "+ ")] {
            variables.start(key, value);
        }
        for (key, value) in call.environment {
            if is_name(&key) {
                variables.import(&key, value);
            }
        }
        variables.start("OPTIND", "1");
        variables.start("IFS", " \t\n");
        if dialect == Dialect::Bash {
            for (key, value) in [("BASH", "/bin/bash"), ("UID", "0"), ("EUID", "0")] {
                variables.start(key, value);
            }
        }
        let directory = call.directory;
        let said = variables.get(b"PWD").map(<[u8]>::to_vec);
        let logical = said.filter(|said| {
            let same = |path| path == directory;
            said.starts_with(b"/")
                && machine.follow(&directory, said).is_ok_and(|at| at.is_ok_and(same))
        });
        let logical_directory: BString =
            logical.unwrap_or_else(|| directory.as_bytes().to_vec()).into();
        variables.start("PWD", &logical_directory);
        Self {
            variables,
            functions: Rc::default(),
            options: Options::default(),
            shell_options: ShellOptions::default(),
            name,
            positional: Rc::new(argv.collect()),
            status: 0,
            substituted: None,
            pipe_statuses: Vec::new(),
            directory,
            logical_directory,
            umask: call.umask,
            descriptors: call.descriptors,
            traps: BTreeMap::new(),
            line: 0,
            loops: 0,
            functions_running: 0,
            scan: OptionScan::default(),
            process_id: 1000 + machine.fresh_number(),
        }
    }
}
