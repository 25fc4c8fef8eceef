//! `demo`: the whole job at work on any machine, with nothing configured and no packet beyond loopback.
//!
//! A TLS API on loopback accepts one random key. The key is held as a secret, a sealed child uses it without being able to
//! read it, and what both sides saw is printed side by side.

mod agent;
mod api;
mod table;

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

use crate::exit::Exit;
use crate::run::{self, Order, RunError};
use crate::secret::{Alphabet, Placeholder, Secret, Shape};
use crate::world::World;

/// The variable that the demo's agent finds its key in.
const KEY_VARIABLE: &str = "DEMO_API_KEY";

/// The hidden verb that the sealed child is started with.
pub(super) const AGENT_VERB: &str = "__demo-agent";

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// Files, sockets.
    #[error("the demo could not use this machine's files or loopback")]
    Io(#[from] io::Error),
    /// The API's certificate.
    #[error("the demo's API could not make its certificate")]
    Certificate(#[from] rcgen::Error),
    /// The API's TLS.
    #[error("the demo could not speak TLS")]
    Tls(#[from] rustls::Error),
    /// The system's random source.
    #[error("the system gave no random bytes")]
    Random(#[from] aws_lc_rs::error::Unspecified),
    /// The broker refused the demo's own setting.
    #[error(transparent)]
    Proxy(#[from] crate::proxy::ProxyError),
    /// The run itself.
    #[error("the demo's run did not start")]
    Run(#[from] RunError),
    /// What the agent wrote down.
    #[error("the demo's agent left no readable findings")]
    Findings(#[from] serde_json::Error),
}

/// Runs inside the seal.
pub(super) fn agent(world: &World) -> Result<Exit, DemoError> {
    agent::act(world)?;
    Ok(Exit::Success)
}

/// Shows the demo; [`Exit::Finding`] if anything did not hold.
pub(super) fn demo(world: &World) -> Result<Exit, DemoError> {
    let shape = Shape { prefix: "demo_live_".into(), alphabet: Alphabet::Base62, length: 32, tail: String::new() };
    let key = Arc::new(Secret::new(Placeholder::mint(&shape)?.as_str().as_bytes().to_vec()));
    let api = api::Api::start(Arc::clone(&key))?;
    let place = tempfile::Builder::new().prefix("agentsecrets-demo-").tempdir()?;
    let project = place.path().canonicalize()?;
    prepare(&project, &api, &key)?;
    let order = order(world, &project, &api)?;
    let exit = run::conduct(&demo_world(world, &project, &key), &order)?;
    if exit.code() != Exit::Success.code() {
        return Ok(exit);
    }
    let findings = serde_json::from_slice(&std::fs::read(project.join("work/findings.json"))?)?;
    let table = table::Table::new(&findings, &api, &key);
    super::output::print(&table.to_string())?;
    Ok(if table.all_held() { Exit::Success } else { Exit::Finding })
}

/// A project with a `.env`, and a user configuration that binds the key to the API: what a user would write.
fn prepare(place: &Path, api: &api::Api, key: &Secret) -> Result<(), DemoError> {
    let work = place.join("work");
    let config = place.join("config/agentsecrets");
    std::fs::create_dir_all(&work)?;
    std::fs::create_dir_all(&config)?;
    std::fs::write(place.join("api.pem"), &api.certificate_pem)?;
    let binding = format!("[secrets.{KEY_VARIABLE}]\nhosts = [\"{}\"]\n", api::HOST);
    std::fs::write(config.join("config.toml"), binding)?;
    let mut line = format!("{KEY_VARIABLE}=").into_bytes();
    line.extend_from_slice(key.expose());
    line.push(b'\n');
    std::fs::write(work.join(".env"), line)?;
    Ok(())
}

/// `run` as a user would type it, except that the API's address is on loopback and its certificate is self-signed.
fn order(world: &World, place: &Path, api: &api::Api) -> Result<Order, DemoError> {
    let command = [
        world.executable.clone().into_os_string(),
        AGENT_VERB.into(),
        std::process::id().to_string().into(),
        api.port.to_string().into(),
    ];
    Ok(Order {
        command: command.into(),
        connect_to: vec![format!("{}:443:127.0.0.1:{}", api::HOST, api.port).parse()?],
        upstream_ca: vec![place.join("api.pem")],
        ..Order::default()
    })
}

/// The user's world with the demo's key, project and configuration in it.
fn demo_world(world: &World, place: &Path, key: &Secret) -> World {
    let mut world = world.clone();
    world.environment.push((KEY_VARIABLE.into(), OsString::from_vec(key.expose().to_vec())));
    world.current_directory = place.join("work");
    world.config_directory = place.join("config/agentsecrets");
    world
}
