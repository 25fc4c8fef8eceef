//! `explain`: prints the plan of a run and starts nothing.

use super::{CommandError, output};
use crate::cli::{self, EgressChoice, ExplainOptions, Isolation as Level, Loopback, PlanOptions};
use crate::exit::Exit;
use crate::policy::{DefaultEgress, Flags, Isolation};
use crate::proxy::ConnectTo;
use crate::report;
use crate::run::{GuardChoices, Hook, Order, plan};
use crate::world::World;

/// Plans and prints.
pub(super) fn explain(world: &World, options: &ExplainOptions) -> Result<Exit, CommandError> {
    let planned = plan(world, &order(&options.plan)?)?;
    let text = if options.json {
        serde_json::to_string_pretty(&planned.plan).map_err(CommandError::Json)? + "\n"
    } else {
        report::explain(&planned.plan)
    };
    output::print(&text).map_err(CommandError::Output)?;
    Ok(Exit::Success)
}

fn hook_of(hook: cli::Hook) -> Hook {
    match hook {
        cli::Hook::Node => Hook::Node,
        cli::Hook::Python => Hook::Python,
    }
}

/// The flags as the conductor takes them.
pub(super) fn order(options: &PlanOptions) -> Result<Order, CommandError> {
    let writable = options.writable.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let flags = Flags {
        egress: options.egress.map(|choice| match choice {
            EgressChoice::Web => DefaultEgress::Web,
            EgressChoice::Allowlist => DefaultEgress::Allowlist,
        }),
        isolation: options.isolation.map(|level| match level {
            Level::Sealed => Isolation::Sealed,
            Level::Guarded => Isolation::Guarded,
            Level::None => Isolation::None,
        }),
        allow: options.allow.clone(),
        loopback: options.loopback.iter().filter_map(port).collect(),
        keep: options.keep.clone(),
        scrub: options.scrub.clone(),
        writable,
        ..Flags::default()
    };
    let connect_to = options.connect_to.iter().map(|text| text.parse::<ConnectTo>()).collect::<Result<_, _>>();
    let connect_to = connect_to.map_err(|source| CommandError::Flag { flag: "--connect-to", source })?;
    let publish = options.publish.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let publish = publish.map_err(|source| CommandError::Publish { source })?;
    Ok(Order {
        command: options.command.clone(),
        flags,
        workspace: super::own::workspace_flag(options.workspace.as_ref())?,
        trust: super::own::fingerprints(&options.trust)?,
        connect_to,
        upstream_ca: options.upstream_ca.clone(),
        devices: options.device.clone(),
        base_urls: options.base_urls.clone(),
        hooks: options.hook.iter().map(|hook| hook_of(*hook)).collect(),
        publish,
        sockets: options.loopback.iter().filter_map(socket).collect(),
        no_browser: options.no_browser,
        no_sweep: options.search.no_sweep,
        ci: if options.no_ci { Some(false) } else { options.ci.then_some(true) },
        guard: GuardChoices {
            allow_readable_dotenv: options.guard.allow_readable_dotenv,
            unix_sockets: options.guard.unix_sockets,
        },
        quiet: false,
    })
}

fn port(loopback: &Loopback) -> Option<u16> {
    match loopback {
        Loopback::Port(port) => Some(*port),
        Loopback::Socket(_) => None,
    }
}

fn socket(loopback: &Loopback) -> Option<String> {
    match loopback {
        Loopback::Port(_) => None,
        Loopback::Socket(text) => Some(text.clone()),
    }
}
