//! `policy agents`, `policy services`: lists what is known without configuration.

use super::{CommandError, output};
use crate::cli::PolicyVerb;
use crate::exit::Exit;
use crate::{policy, report};

/// Prints a list.
pub(super) fn policy(verb: &PolicyVerb) -> Result<Exit, CommandError> {
    policy::verify().map_err(CommandError::Builtin)?;
    let (services, agents) = (policy::catalogue().services(), policy::agents());
    let text = match verb {
        PolicyVerb::Agents { json: false } => report::agents(agents),
        PolicyVerb::Agents { json: true } => json(agents.iter())?,
        PolicyVerb::Services { json: false } => report::services(services),
        PolicyVerb::Services { json: true } => json(services.iter())?,
    };
    output::print(&text).map_err(CommandError::Output)?;
    Ok(Exit::Success)
}

/// One object a line, as the other lists print them.
fn json<T: serde::Serialize>(items: impl Iterator<Item = T>) -> Result<String, CommandError> {
    let lines = items.map(|item| serde_json::to_string(&item).map(|line| line + "\n"));
    lines.collect::<Result<_, _>>().map_err(CommandError::Json)
}
