//! `imgfix inventory`: the packages of an image.
use super::output::Output;
use super::{CommandResult, exit};
use clap::Args;
#[derive(Debug, Args)]
pub struct InventoryArguments {}
pub fn run(_arguments: InventoryArguments, _output: &Output) -> CommandResult {
    Ok(exit::DONE)
}
