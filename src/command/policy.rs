//! `policy`: what is known without configuration, what holds here, and what it says of a request.

use serde_json::json;

use super::{CommandError, output, own};
use crate::cli::PolicyVerb;
use crate::exit::Exit;
use crate::policy::Fingerprint;
use crate::run::{self, CallOrder, CallUrl, How, Judgement, Placement};
use crate::secret::{SecretName, WorkspaceName};
use crate::world::World;
use crate::{policy, report};

/// Does what `verb` says.
pub(super) fn policy(world: &World, verb: &PolicyVerb) -> Result<Exit, CommandError> {
    policy::verify().map_err(CommandError::Builtin)?;
    let (services, agents) = (policy::catalogue().services(), policy::agents());
    let text = match verb {
        PolicyVerb::Show { workspace, trust, origin, json } => {
            let held = run::held(world, own::workspace_flag(workspace.as_ref())?.as_ref(), &own::fingerprints(trust)?)?;
            if *json {
                serde_json::to_string_pretty(&held.merged).map_err(CommandError::Json)? + "\n"
            } else {
                report::policy(&held.merged, *origin)
            }
        }
        PolicyVerb::Check { workspace, trust } => {
            let held = run::held(world, own::workspace_flag(workspace.as_ref())?.as_ref(), &own::fingerprints(trust)?)?;
            let project = held.merged.project.as_ref();
            let line = |path: &std::path::PathBuf| {
                let path = path.display().to_string();
                let standing = project.filter(|project| project.path == path).map(report::standing);
                let standing = standing.map(|standing| format!(" ({standing})")).unwrap_or_default();
                format!("ok  {}{standing}\n", report::plain(&path))
            };
            let files: String = held.files.iter().map(line).collect();
            if files.is_empty() { "no policy file counts here: what is built in holds\n".to_owned() } else { files }
        }
        PolicyVerb::Test { method, url, secret, workspace, trust, json } => {
            let workspace = own::workspace_flag(workspace.as_ref())?;
            return test(world, method, url, secret, (workspace, own::fingerprints(trust)?), *json);
        }
        PolicyVerb::Agents { json: false } => report::agents(agents),
        PolicyVerb::Agents { json: true } => json_lines(agents.iter())?,
        PolicyVerb::Services { json: false } => report::services(services),
        PolicyVerb::Services { json: true } => json_lines(services.iter())?,
    };
    output::print(&text).map_err(CommandError::Output)?;
    Ok(Exit::Success)
}

fn test(
    world: &World,
    method: &str,
    url: &str,
    secrets: &[String],
    (workspace, trust): (Option<WorkspaceName>, Vec<Fingerprint>),
    as_json: bool,
) -> Result<Exit, CommandError> {
    let words = |error: &dyn std::fmt::Display| CommandError::Words(error.to_string());
    let method =
        http::Method::from_bytes(method.as_bytes()).map_err(|_| words(&"write a method such as GET or POST"))?;
    let url = CallUrl::parse(url).map_err(|error| words(&error))?;
    let placement = |(index, name): (usize, &String)| {
        let secret = SecretName::new(name).map_err(|error| words(&error))?;
        // Where in the request it stands decides nothing: each gets a place of its own.
        Ok::<_, CommandError>(Placement { secret, how: How::Header(format!("x-{index}")) })
    };
    let order = CallOrder {
        method,
        placements: secrets.iter().enumerate().map(placement).collect::<Result<_, _>>()?,
        workspace,
        trust,
        ..CallOrder::to(url)
    };
    let Judgement { allowed, why, hint, rules } = run::judge_call(world, &order)?;
    let verdict = if allowed { "allow" } else { "deny" };
    let text = if as_json {
        format!("{}\n", json!({ "decision": verdict, "why": why, "hint": hint, "rules": rules }))
    } else {
        let lines = rules.iter().map(|rule| format!("      {}\n", report::plain(rule)));
        let hint = hint.iter().map(|hint| format!("hint: {}\n", report::plain(hint)));
        std::iter::once(format!("{verdict}  {}\n", report::plain(&why))).chain(lines).chain(hint).collect()
    };
    output::print(&text).map_err(CommandError::Output)?;
    Ok(if allowed { Exit::Success } else { Exit::Finding })
}

/// One object a line, as the other lists print them.
fn json_lines<T: serde::Serialize>(items: impl Iterator<Item = T>) -> Result<String, CommandError> {
    let lines = items.map(|item| serde_json::to_string(&item).map(|line| line + "\n"));
    lines.collect::<Result<_, _>>().map_err(CommandError::Json)
}
