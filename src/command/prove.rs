//! `prove`: the attacks on this machine, and what came of them.

use std::io::IsTerminal;

use super::{CommandError, output};
use crate::cli::{Isolation, ProveOptions};
use crate::exit::Exit;
use crate::prove::{self, Level};
use crate::world::World;

const NOTHING: &str =
    "`--isolation none` confines nothing, so there is nothing to prove; try `agentsecrets prove --isolation guarded`";

/// Attacks and prints the report card; [`Exit::Finding`] where an attack won that this level does not leave open, a control
/// failed or nothing was proven.
pub(super) fn prove(world: &World, options: &ProveOptions) -> Result<Exit, CommandError> {
    let level = match options.isolation {
        Isolation::Sealed => Level::Sealed,
        Isolation::Guarded => Level::Guarded,
        Isolation::None => return Err(CommandError::Words(NOTHING.into())),
    };
    let report = prove::prove(world, level, crate::run::landlock_version(world))?;
    let has_colour = std::io::stdout().is_terminal() && !world.terminal.no_color;
    let text =
        if options.json { prove::as_json(&report) } else { prove::as_text(&report, options.verbose, has_colour) };
    output::print(&text).map_err(CommandError::Output)?;
    Ok(if report.is_good() { Exit::Success } else { Exit::Finding })
}
