//! What is known without configuration, as people read it: agents and services.

use std::fmt::Write;

use super::listed;
use crate::policy::{Agent, Agents, Service, Slot};

/// The agents: how each is recognised, what it authenticates with, and what a seal changes for it.
pub fn agents(agents: &Agents) -> String {
    agents.iter().map(agent).collect::<Vec<_>>().join("\n")
}

fn agent(agent: &Agent) -> String {
    let modules = agent.modules.iter().map(|module| format!("python -m {module}"));
    let names: Vec<String> =
        agent.commands.iter().cloned().chain(agent.packages.iter().cloned()).chain(modules).collect();
    let sealed = agent.sealed.as_ref();
    let variables = sealed.into_iter().flat_map(|sealed| &sealed.environment);
    let variables = variables.map(|(name, value)| format!("{name}={value}"));
    let told: Vec<String> =
        variables.chain(sealed.iter().flat_map(|sealed| sealed.arguments.iter().cloned())).collect();
    let told = sealed.map(|sealed| format!("{}: {}", told.join(" "), sealed.reason));
    entry(
        &format!("{}  {}", agent.id, agent.title),
        &[
            ("recognised by", listed(names, 20)),
            ("authenticates with", listed(&agent.credentials, 20)),
            ("files rendered", listed(&agent.rendered, 20)),
            ("files hidden", listed(&agent.hidden, 20)),
            ("keeps its sessions in", listed(&agent.writable, 20)),
            ("told in a seal", told.unwrap_or_default()),
            ("documentation", agent.docs.clone()),
        ],
    )
}

/// The services: which variables hold each credential and where it goes.
pub fn services(services: &[Service]) -> String {
    services.iter().map(service).collect::<Vec<_>>().join("\n")
}

fn service(service: &Service) -> String {
    let mut rows = Vec::new();
    for credential in &service.credentials {
        let slots = credential.slots.iter().map(slot);
        rows.push(("credential", format!("{}/{}", service.id.0, credential.id)));
        rows.push(("  variables", listed(&credential.variables, 20)));
        rows.push(("  goes to", listed(&credential.targets, 20)));
        rows.push(("  as", listed(slots, 20)));
    }
    let closed = service.token_endpoints.iter().map(|endpoint| format!("{} {}", endpoint.target, endpoint.rule));
    rows.push(("closed, mints tokens", listed(closed, 20)));
    rows.push(("documentation", service.docs.clone()));
    entry(&format!("{}  {}", service.id.0, service.title), &rows)
}

pub(super) fn slot(slot: &Slot) -> String {
    match slot {
        Slot::Basic => "basic authentication".into(),
        Slot::Header(name) => format!("header {name}"),
        Slot::Query(name) => format!("query parameter {name}"),
        Slot::Cookie(name) => format!("cookie {name}"),
        Slot::JsonField(pointer) => format!("JSON field {pointer}"),
        Slot::FormField(name) => format!("form field {name}"),
    }
}

/// A title, and below it what is not empty.
fn entry(title: &str, rows: &[(&str, String)]) -> String {
    let mut text = format!("{title}\n");
    for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {label:<22} {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::policy;

    #[test]
    fn every_agent_and_service_has_its_entry() {
        let text = super::agents(policy::agents());
        for agent in policy::agents().iter() {
            assert!(
                text.contains(&format!("\n{}  {}\n", agent.id, agent.title)) || text.starts_with(&agent.id),
                "{text}"
            );
        }
        assert!(
            text.contains("told in a seal         -c sandbox_mode=\"danger-full-access\": its own sandbox"),
            "{text}"
        );
        let text = super::services(policy::catalogue().services());
        assert!(text.contains("stripe  Stripe\n") && text.contains("api.stripe.com"), "{text}");
        assert!(text.contains("platform.claude.com POST /v1/oauth/token"), "{text}");
    }
}
