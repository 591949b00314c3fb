//! The command line: one file a subcommand, shared option groups in [`options`], terminals
//! in [`output`]. Comes in: arguments and environment. Goes out: calls to the pipeline, text
//! on stdout and stderr, an exit code.

pub mod cache;
mod check;
mod client_certificates;
pub mod command_line;
mod confine;
pub mod diff;
mod examples;
pub mod exit;
pub mod findings;
pub mod image_argument;
pub mod interrupt;
pub mod inventory;
mod library_registries;
mod log_lines;
pub mod login;
pub mod notifications;
pub mod options;
pub mod output;
mod output_file;
pub mod plan;
pub mod policy;
mod policy_files;
#[cfg(test)]
mod policy_keys;
mod policy_show;
mod previewed;
mod registry_options;
pub mod repair;
pub mod report_files;
mod schema;
pub mod shell_pages;
mod variables;
pub mod version;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use confine::Start;
use exit::Failure;
use output::Output;

use imgfix_shell::sandbox::{helper, namespaces};

/// Repairs container images: upgrades what a scanner found in one verified layer, without a
/// daemon, without root, and without running anything from the image.
#[derive(Debug, Parser)]
#[command(name = "imgfix", version, propagate_version = true, after_help = exit::HELP, after_long_help = format!("{}\n\n{}", exit::HELP, variables::HELP))]
struct Arguments {
    #[command(flatten)]
    output: output::OutputOptions,
    #[command(flatten)]
    confinement: confine::ConfinementOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Repair an image and write it under the tag `<tag>_fix`
    #[command(after_help = examples::REPAIR)]
    Repair(Box<repair::RepairArguments>),
    /// Show what a repair would do, and why, without writing an image
    #[command(after_help = examples::PLAN)]
    Plan(Box<plan::PlanArguments>),
    /// Check the configuration of an image by imgfix's own rules, without any report
    #[command(after_help = examples::CHECK)]
    Check(Box<check::CheckArguments>),
    /// List the packages of an image, also as CycloneDX or SPDX
    #[command(after_help = examples::INVENTORY)]
    Inventory(inventory::InventoryArguments),
    /// Compare two images: packages, files, configuration
    #[command(after_help = examples::DIFF)]
    Diff(diff::DiffArguments),
    /// Show what scanners' reports say, in one form
    #[command(after_help = examples::FINDINGS)]
    Findings(findings::FindingsArguments),
    /// Work with the policy file, imgfix.toml
    #[command(after_help = examples::CONFIG)]
    Config(policy::ConfigArguments),
    /// Work with the cache of downloads
    #[command(after_help = examples::CACHE)]
    Cache(cache::CacheArguments),
    /// Print the JSON Schema of something that imgfix reads or writes
    #[command(after_help = examples::SCHEMA)]
    Schema(schema::SchemaArguments),
    /// Log in to a registry, for this program and for docker
    #[command(after_help = examples::LOGIN)]
    Login(login::LoginArguments),
    /// Forget a login
    #[command(after_help = examples::LOGOUT)]
    Logout(login::LogoutArguments),
    /// Say which build this is: version, commit, target
    #[command(after_help = examples::VERSION)]
    Version(version::VersionArguments),
    /// Write a script for a shell that completes imgfix's subcommands and options
    #[command(after_help = examples::COMPLETIONS)]
    Completions(shell_pages::CompletionsArguments),
    /// Write the manual pages; packages of imgfix are made with it
    #[command(hide = true)]
    Man(shell_pages::ManArguments),
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == namespaces::SUBCOMMAND) {
        return helper::main(words);
    }
    let command = Arguments::command();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let merged = match variables::merge(&command, arguments, |name| std::env::var_os(name)) {
        Ok(merged) => merged,
        Err(why) => {
            eprintln!("{}", log_lines::lines(&format!("error: {why}")));
            return ExitCode::from(exit::USAGE);
        }
    };
    let arguments = command
        .try_get_matches_from(&merged.arguments)
        .and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match arguments {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error, &merged),
    };
    let output = Arc::new(Output::new(&arguments.output));
    let watcher = interrupt::prepare().inspect_err(|error| {
        output.progress().warn(&format!("an interruption may leave files behind: {error}"));
    });
    // No thread is started before the subcommand has confined the process.
    let command_line = command_line::of_this_process(&merged.used);
    let start = Start::new(&arguments.confinement, command_line, Arc::clone(&output), watcher.ok());
    let result = match arguments.command {
        Command::Repair(arguments) => repair::run(*arguments, start),
        Command::Plan(arguments) => plan::run(*arguments, start),
        Command::Check(arguments) => check::run(*arguments, start),
        Command::Inventory(arguments) => inventory::run(arguments, start),
        Command::Diff(arguments) => diff::run(arguments, start),
        Command::Findings(arguments) => findings::run(arguments, start),
        Command::Config(arguments) => policy::run(arguments, start),
        Command::Cache(arguments) => cache::run(arguments, start),
        Command::Schema(arguments) => schema::run(&arguments, start),
        Command::Login(arguments) => login::log_in(arguments, start),
        Command::Logout(arguments) => login::log_out(arguments, start),
        Command::Version(arguments) => version::run(&arguments, start),
        Command::Completions(arguments) => shell_pages::completions(&arguments, start),
        Command::Man(arguments) => shell_pages::man(&arguments, start),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            output.error(&failure);
            ExitCode::from(failure.code())
        }
    }
}

/// Says why the command line is none, or shows the help or the version that it asks for.
fn refused(error: &clap::Error, merged: &variables::Merged) -> ExitCode {
    // clap prints help and version to stdout with success, errors to stderr.
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::from(exit::DONE);
    }
    let text = error.render().to_string();
    if std::io::stderr().is_terminal() {
        let _ = error.print();
    } else {
        // What was given may be a name that somebody else chose.
        eprintln!("{}", log_lines::lines(&text));
    }
    if let Some(hint) = merged.hint(&text) {
        eprintln!("{}", log_lines::lines(&hint));
    }
    ExitCode::from(exit::USAGE)
}

/// What a subcommand returns: an exit code, or why it failed.
type CommandResult = Result<u8, Failure>;
