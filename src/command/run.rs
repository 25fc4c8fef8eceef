//! `run`: starts the command, sealed and brokered.

use super::CommandError;
use crate::cli::RunOptions;
use crate::exit::Exit;
use crate::run::{Order, conduct};
use crate::world::World;

/// Runs the command to its end and gives its status.
pub(super) fn run(world: &World, options: &RunOptions) -> Result<Exit, CommandError> {
    let order = Order { quiet: options.quiet, ..super::explain::order(&options.plan)? };
    Ok(conduct(world, &order)?)
}
