//! `imgfix completions` and `imgfix man`: what shells and `man` want to know of the command
//! line, made from the command line itself, so that there is no copy that could be behind. In
//! comes clap's model of the arguments; out go text and pages.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::confine::Start;
use super::exit::Failure;
use super::{Arguments, CommandResult, exit};

/// Arguments of `imgfix completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell that will read it
    #[arg(value_enum)]
    shell: Shell,
}

/// Arguments of `imgfix man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Write a page for each subcommand into this directory, instead of imgfix(1) to stdout
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs `imgfix completions`.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(arguments: &CompletionsArguments, start: Start) -> CommandResult {
    let output = start.output();
    // It reads nothing.
    start.unconfined();
    output.result(&script(arguments.shell))?;
    Ok(exit::DONE)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "imgfix", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Runs `imgfix man`.
///
/// # Errors
/// The directory is not there; a page or standard output cannot be written.
pub fn man(arguments: &ManArguments, start: Start) -> CommandResult {
    let output = start.output();
    // It reads nothing.
    start.unconfined();
    match &arguments.dir {
        Some(dir) => pages(dir)?,
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
            output.result(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(exit::DONE)
}

fn pages(dir: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::Work(format!("cannot write pages to {}: {error}", dir.display()).into())
    };
    clap_mangen::generate_to(Arguments::command(), dir).map_err(failed)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;
    use crate::cli::log_lines;

    /// What keeps strangers' text from being a command of a CI system would change a script in
    /// silence where the script has such a line.
    #[test]
    fn scripts_of_all_shells_reach_standard_output_as_they_were_made() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            assert!(script.contains("report-file") && script.contains("completions"), "{shell}");
            assert_eq!(log_lines::result(&script), script, "{shell}");
        }
    }

    #[test]
    fn each_subcommand_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        pages(dir.path()).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for subcommand in Arguments::command().get_subcommands() {
            let page = format!("imgfix-{}.1", subcommand.get_name());
            assert_eq!(names.contains(&page), !subcommand.is_hide_set(), "{page}");
        }
        let page = std::fs::read_to_string(dir.path().join("imgfix.1")).unwrap();
        assert!(page.contains("Exit codes") && page.contains("imgfix\\-repair(1)"), "{page}");
    }

    #[test]
    fn the_model_of_the_command_line_has_no_contradiction() {
        Arguments::command().debug_assert();
    }
}
