//! `imgfix diff`: the packages of an image.
use super::output::Output;
use super::{CommandResult, exit};
use clap::Args;
#[derive(Debug, Args)]
pub struct DiffArguments {}
pub fn run(_arguments: DiffArguments, _output: &Output) -> CommandResult {
    Ok(exit::DONE)
}
