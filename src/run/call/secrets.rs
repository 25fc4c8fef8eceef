//! The secrets of a call: where each may go, and only then its value.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::CallOrder;
use super::error::CallError;
use super::message::placeholder;
use crate::audit::Fetch;
use crate::policy::{
    self, Binding, DefaultEgress, Egress, HostPattern, Merged, Origin, Scan, SecretSource, Slot, Target,
};
use crate::run::offers::stand_in;
use crate::run::{Sources, held};
use crate::secret::{Placeholder, Secret, SecretName, Table, WorkspaceName};
use crate::world::World;

/// What the engine is given.
pub(super) struct Prepared {
    pub(super) secrets: Table,
    pub(super) bindings: Vec<Binding>,
    pub(super) egress: Egress,
    pub(super) workspace: Option<WorkspaceName>,
    /// For the log.
    pub(super) fetched: Vec<Fetch>,
}

/// Each secret that the call names, once.
fn names(order: &CallOrder) -> BTreeSet<&SecretName> {
    order.placements.iter().map(|placement| &placement.secret).collect()
}

/// The places that the call puts `name` into.
fn slots(order: &CallOrder, name: &SecretName) -> Vec<Slot> {
    let own = order.placements.iter().filter(|placement| placement.secret == *name);
    own.map(|placement| placement.how.slot()).collect()
}

/// The engine knows a value by one name.
fn hold(table: &mut Table, name: &SecretName, value: Secret) -> Result<(), CallError> {
    if let Some(same) = table.find(&value).and_then(|id| table.get(id)) {
        return Err(CallError::SameValue { one: same.name.clone(), other: name.clone() });
    }
    let placeholder = || Ok::<_, Infallible>(Placeholder::from_minted(placeholder(name)));
    let Ok(_) = table.insert(name.clone(), value, placeholder);
    Ok(())
}

/// Whether values are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetching {
    /// From their sources.
    Values,
    /// They are not: what is decided without them is all that is wanted.
    StandIns,
}

/// The user's own secrets, by the policy of the workspace, which the project's may narrow.
pub(super) fn outside(world: &World, order: &CallOrder, fetching: Fetching) -> Result<Prepared, CallError> {
    let merged = held(world, order.workspace.as_ref(), &order.trust)?.merged;
    let sources = Sources::new(world);
    let default = WorkspaceName::default();
    let workspace = merged.workspace.clone().unwrap_or(default);
    let (mut secrets, mut bindings, mut fetched) = (Table::default(), Vec::new(), Vec::new());
    for name in names(order) {
        let source = merged.secret(name.as_str()).and_then(|secret| secret.source.as_ref());
        let (value, kind) = if let Some(source) = source {
            bindings.push(bind(world, order, &merged, name, None)?);
            let value = match fetching {
                Fetching::Values => sources.fetch(&workspace, name, source)?,
                Fetching::StandIns => readable(&stand_in()?),
            };
            (value, kind(source))
        } else {
            let value = environment(world, name).ok_or_else(|| absent(name))?;
            bindings.push(bind(world, order, &merged, name, Some(&value))?);
            (value, "env")
        };
        fetched.push(Fetch { secret: name.to_string(), source: kind.into(), error: None });
        hold(&mut secrets, name, value)?;
    }
    let egress = merged.egress(&bindings);
    Ok(Prepared { secrets, bindings, egress, workspace: merged.workspace, fetched })
}

/// What can stand wherever a value can.
fn readable(bytes: &Secret) -> Secret {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
    Secret::new(bytes.expose().iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect())
}

fn kind(source: &SecretSource) -> &'static str {
    match source {
        SecretSource::Store(kind) => kind.as_str(),
        SecretSource::Env { .. } => "env",
        SecretSource::Dotenv { .. } => "dotenv",
        SecretSource::Command { .. } => "command",
        SecretSource::Hashicorp(_) => "hashicorp",
    }
}

/// A name that nothing has. One that has the form of a key is not repeated.
fn absent(name: &SecretName) -> CallError {
    match policy::catalogue().recognise_value(name.as_str().as_bytes()) {
        Some(_) => CallError::LooksLikeValue,
        None => CallError::NoSecret { name: name.clone() },
    }
}

fn environment(world: &World, name: &SecretName) -> Option<Secret> {
    let value = world.variable(name.as_str()).filter(|value| !value.is_empty())?;
    Some(Secret::new(value.as_bytes().to_vec()))
}

/// Where `name` may go, if that covers where the call goes.
fn bind(
    world: &World,
    order: &CallOrder,
    merged: &Merged,
    name: &SecretName,
    value: Option<&Secret>,
) -> Result<Binding, CallError> {
    let variable = |name: &str| world.variable(name).map(OsString::from);
    let catalogue = policy::catalogue();
    let entry = match value {
        Some(value) => catalogue.recognise(name.as_str(), value.expose()),
        None => catalogue.variable(name.as_str()),
    };
    let authority = order.url.authority.clone();
    let bound = merged.bind(name, entry, &variable);
    let bound = bound.ok_or_else(|| CallError::Unbound { name: name.clone(), authority: authority.clone() })?;
    if !bound.covers(&authority) {
        return Err(CallError::OtherHost { name: name.clone(), authority, targets: bound.targets });
    }
    Ok(Binding { slots: slots(order, name), attach: None, ..bound })
}

/// What the run offers: its placeholders, for whatever target; the run's broker decides on each.
pub(super) fn inside(world: &World, order: &CallOrder) -> Result<Prepared, CallError> {
    let in_header = |slot: &Slot| slot.header().is_some();
    let (mut secrets, mut bindings) = (Table::default(), Vec::new());
    let target = Target { host: HostPattern::Exact(order.url.authority.host.clone()), port: order.url.authority.port };
    for name in names(order) {
        let value = environment(world, name).ok_or_else(|| CallError::NotOffered { name: name.clone() })?;
        let slots = slots(order, name);
        if !slots.iter().all(in_header) {
            return Err(CallError::InRun);
        }
        hold(&mut secrets, name, value)?;
        bindings.push(Binding {
            secret: name.clone(),
            service: None,
            targets: vec![target.clone()],
            slots,
            attach: None,
            rules: Vec::new(),
            narrowed_rules: Vec::new(),
            plaintext: true,
            scan: Scan::default(),
            origin: Origin::Flag { flag: "call".into() },
        });
    }
    let egress = Egress { default: DefaultEgress::Web, allow: vec![target], ..Egress::default() };
    Ok(Prepared { secrets, bindings, egress, workspace: None, fetched: Vec::new() })
}
