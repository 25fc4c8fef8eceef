//! What a recognised agent is told besides, so that it works in a seal.

use std::ffi::OsString;

use serde::Serialize;

use super::variables::Variables;
use super::{Decision, VariablePlan};
use crate::policy::{Isolation, Origin, Recognised};

/// The agent of a run, and what is put into its command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentPlan {
    /// Its name in policy files.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Arguments that it gets before its own; mostly none.
    pub arguments: Vec<String>,
    /// Why, as a sentence; empty where it gets none.
    pub reason: String,
    /// The rule's origin.
    pub origin: Origin,
}

/// Puts what the agent needs at `level` into its command line and its environment.
pub(super) fn apply(
    recognised: Recognised<'_>,
    level: Isolation,
    arguments: &mut Vec<OsString>,
    variables: &mut Variables,
) -> AgentPlan {
    let agent = recognised.agent;
    let mut plan = AgentPlan {
        id: agent.id.clone(),
        title: agent.title.clone(),
        arguments: Vec::new(),
        reason: String::new(),
        origin: agent.origin.clone(),
    };
    let Some(sealed) = agent.sealed.as_ref().filter(|_| level != Isolation::None) else { return plan };
    for (name, value) in &sealed.environment {
        variables.environment.retain(|(known, _)| known != name.as_str());
        variables.environment.push((name.into(), value.into()));
        variables.plans.retain(|known| known.name != *name);
        variables.plans.push(VariablePlan {
            name: name.clone(),
            decision: Decision::Set { value: value.clone() },
            reason: format!("for {}: {}", agent.title, sealed.reason),
            origin: Some(agent.origin.clone()),
        });
    }
    let from = recognised.arguments_from.min(arguments.len());
    let speaks = |argument: &OsString| {
        let flag = argument.to_string_lossy();
        let flag = flag.split('=').next().unwrap_or_default();
        sealed.unless.iter().any(|known| known == flag)
    };
    let own = arguments[from..].iter().take_while(|argument| *argument != "--");
    if sealed.arguments.is_empty() || { own }.any(speaks) {
        return plan;
    }
    plan.arguments.extend(recognised.needs_dashes.then(|| "--".to_owned()));
    plan.arguments.extend_from_slice(&sealed.arguments);
    plan.reason.clone_from(&sealed.reason);
    arguments.splice(from..from, plan.arguments.iter().map(OsString::from));
    plan
}
