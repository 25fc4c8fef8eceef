//! The agents that are known by name: `policies/agents/*.toml` as types.
//!
//! An agent's file says how its command is recognised, which files it keeps logins and settings in, where it may write,
//! and what has to be told to it in a seal.
//!
//! **Invariants.** Masks and guards of every agent hold in every run, whoever runs; recognising an agent adds no more
//! than its own session directories and what its file says for a seal. An unknown key is refused.

mod command;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use command::Recognised;

use super::Origin;
use super::builtin::{self, BuiltinError};
use super::files::{Action, Additions, MoveLine, ProjectRendered, Rendered, Writable, entries};

/// Every agent, in the order of their ids.
#[derive(Debug, Default)]
pub struct Agents(Vec<Agent>);

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// Its name in policy files, such as `claude`.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// Where it documents its settings.
    pub docs: String,
    /// File names of its program.
    pub commands: Vec<String>,
    /// Packages of npm and PyPI that hold it.
    pub packages: Vec<String>,
    /// Python modules that start it.
    pub modules: Vec<String>,
    /// Credentials of the catalogue that it authenticates with, as `service/credential`.
    pub credentials: Vec<String>,
    /// What it needs to be told in a seal.
    pub sealed: Option<Sealed>,
    /// Its own session state, from the home on.
    pub writable: Vec<String>,
    /// Its files that are rendered, from the home on.
    pub rendered: Vec<String>,
    /// Its files that are hidden whole, from the home on.
    pub hidden: Vec<String>,
    /// The embedded file that says so.
    pub origin: Origin,
    #[serde(skip)]
    pub(super) additions: Additions,
}

/// What an agent is told in a seal because it cannot find out by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Why.
    pub reason: String,
    /// Variables that it gets, whatever the user set: what they would ask for cannot be had in a seal.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Arguments that are put before its own.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Arguments of the user's own that speak of the same: with one of them nothing is put in.
    #[serde(default)]
    pub unless: Vec<String>,
}

/// A file under `policies/agents/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentFile {
    title: String,
    docs: String,
    commands: Vec<String>,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    modules: Vec<String>,
    credentials: Vec<String>,
    #[serde(default)]
    sealed: Option<Sealed>,
    #[serde(default)]
    writable: Vec<String>,
    #[serde(default)]
    guarded: Vec<String>,
    #[serde(default)]
    hidden: Vec<String>,
    #[serde(default)]
    moves: BTreeMap<String, MoveLine>,
    #[serde(default)]
    rendered: Vec<Rendered>,
    #[serde(default)]
    project: Vec<ProjectRendered>,
}

macro_rules! agents {
    ($($id:literal)*) => {
        &[$(($id, builtin::embedded!(concat!("agents/", $id)))),*]
    };
}

const EMBEDDED: &[(&str, &str)] = agents! {
    "aider" "claude" "codex" "copilot" "cursor-agent" "gemini" "goose" "opencode" "qwen"
};

impl Agents {
    pub(super) fn load() -> Result<Self, BuiltinError> {
        EMBEDDED.iter().map(|(id, text)| load_agent(id, text)).collect::<Result<_, _>>().map(Self)
    }

    /// Every agent.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Agent> + Clone {
        self.0.iter()
    }

    /// The agent called `id`.
    pub fn named(&self, id: &str) -> Option<&Agent> {
        self.0.iter().find(|agent| agent.id == id)
    }
}

fn load_agent(id: &str, text: &str) -> Result<Agent, BuiltinError> {
    let file = format!("agents/{id}.toml");
    let parsed: AgentFile = builtin::parse(&file, text)?;
    let origin = Origin::Builtin { file };
    let rendered = parsed.rendered.into_iter().flat_map(|rendered| rendered.into_entries(&parsed.title, &origin));
    let mut home: Vec<_> = rendered.collect();
    let rendered = home.iter().map(|entry| entry.path.clone()).collect();
    home.extend(entries(&parsed.title, None, parsed.hidden.clone(), &Action::Hide, &origin));
    let writable = Writable {
        paths: parsed.writable.clone(),
        reason: format!("{}'s sessions", parsed.title),
        agent: Some(id.to_owned()),
    };
    let additions = Additions {
        home,
        project: parsed.project.into_iter().flat_map(|rendered| rendered.into_entries(&origin)).collect(),
        guarded: parsed.guarded,
        writable: Some(writable),
        moves: parsed.moves.into_iter().map(|(variable, line)| line.into_move(variable)).collect(),
    };
    Ok(Agent {
        id: id.to_owned(),
        title: parsed.title,
        docs: parsed.docs,
        commands: parsed.commands,
        packages: parsed.packages,
        modules: parsed.modules,
        credentials: parsed.credentials,
        sealed: parsed.sealed,
        writable: parsed.writable,
        rendered,
        hidden: parsed.hidden,
        origin,
        additions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{agents, catalogue};

    #[test]
    fn nine_agents_are_known_and_each_by_names_of_its_own() {
        let ids: Vec<&str> = agents().iter().map(|agent| agent.id.as_str()).collect();
        let expected = ["aider", "claude", "codex", "copilot", "cursor-agent", "gemini", "goose", "opencode", "qwen"];
        assert_eq!(ids, expected);
        let mut names: Vec<&String> =
            agents().iter().flat_map(|agent| agent.commands.iter().chain(&agent.packages)).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        // `aider` is a command and a package.
        assert_eq!(names.len(), count - 1);
    }

    #[test]
    fn every_credential_of_an_agent_is_in_the_catalogue() {
        for agent in agents().iter() {
            assert!(agent.docs.starts_with("https://") && !agent.commands.is_empty(), "{}", agent.id);
            for credential in &agent.credentials {
                let (service, id) = credential.split_once('/').unwrap();
                assert!(catalogue().entry(service, id).is_some(), "{}: {credential}", agent.id);
            }
        }
    }

    #[test]
    fn session_state_is_no_place_of_programs_or_settings() {
        for agent in agents().iter() {
            for path in &agent.writable {
                assert!(!path.starts_with('/') && !path.contains("bin"), "{path}");
                let path = path.trim_end_matches('/');
                let covers = |other: &String| other == path || other.starts_with(&format!("{path}/"));
                let closed = agent.rendered.iter().chain(&agent.hidden);
                assert!(!closed.into_iter().any(covers), "{}: {path}", agent.id);
                // What stands below it may be guarded.
                assert!(!agent.additions.guarded.iter().any(|other| other == path), "{}: {path}", agent.id);
            }
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let (_, text) = EMBEDDED[0];
        let rest = text.strip_prefix('{').unwrap();
        let error = load_agent("aider", &format!("{{\"wirtable\":[],{rest}")).unwrap_err();
        assert!(error.to_string().contains("agents/aider.toml") && error.to_string().contains("wirtable"), "{error}");
        let error = load_agent("aider", &format!("{{\"sealed\":{{\"reasons\":\"x\"}},{rest}")).unwrap_err();
        assert!(error.to_string().contains("reasons"), "{error}");
    }
}
