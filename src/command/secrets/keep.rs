//! Keeps values: in which store, under which binding, and what the user is told of it.

use std::ffi::OsString;
use std::path::Path;

use super::super::own::Own;
use super::CommandError;
use crate::policy::{self, Flags, Merged, SecretChange, SecretPolicy, SecretSource, ServiceId, StoreKind, ValueKind};
use crate::report::Terminal;
use crate::run::{self, RunError, Sources, Usage};
use crate::secret::{Secret, SecretName, WorkspaceName};
use crate::source::{self, Failure, Key, Protection, SourceError};
use crate::world::World;

/// A value on its way into a store.
pub(in crate::command) struct Kept {
    /// What it is called.
    pub(in crate::command) name: SecretName,
    /// The value.
    pub(in crate::command) value: Secret,
    /// What else is said of it.
    pub(in crate::command) change: SecretChange,
}

/// Keeps `values` in the workspace.
pub(in crate::command) fn keep(
    world: &World,
    workspace: Option<&WorkspaceName>,
    store: Option<StoreKind>,
    values: &[Kept],
    terminal: Terminal,
) -> Result<(), CommandError> {
    for kept in values {
        source::check(&kept.value).map_err(|source| RunError::Keep { name: kept.name.clone(), source })?;
    }
    let sources = Sources::new(world);
    let chosen = run::choose(world, workspace)?;
    let file = Own::take(&chosen.path)?;
    if !file.exists() {
        terminal.note(&format!("agentsecrets: made the workspace `{}`", chosen.name));
    }
    let before = chosen.layers.end(None, Flags::default()).map_err(RunError::from)?;
    let mut edit = file.edit()?;
    let mut chooser = Chooser { world, sources: &sources, wanted: store.or(before.store), fallback: None };
    let is_new = sources.file().protection().is_none();
    let mut placed: Vec<(StoreKind, Key, &Secret)> = Vec::with_capacity(values.len());
    let mut moved = Vec::new();
    for kept in values {
        let known = before.secret(kept.name.as_str());
        let source = known.and_then(|known| known.source.as_ref());
        let kind = chooser.choose(store, source, terminal)?;
        let key = Key { workspace: chosen.name.clone(), name: kept.name.clone() };
        let change = SecretChange { store: Some(kind), service: service(kept, known), ..kept.change.clone() };
        edit.set_secret(&kept.name, &change).map_err(RunError::from)?;
        if let Some(SecretSource::Store(old)) = source.filter(|source| **source != SecretSource::Store(kind)) {
            moved.push((*old, key.clone()));
        }
        placed.push((kind, key, &kept.value));
    }
    for kind in [StoreKind::Keychain, StoreKind::File] {
        let of_kind = placed.iter().filter(|(placed, ..)| *placed == kind);
        let values: Vec<(&Key, &Secret)> = of_kind.map(|(_, key, value)| (key, *value)).collect();
        if !values.is_empty() {
            sources.store(kind).set_all(&values).map_err(RunError::from)?;
        }
    }
    file.put(edit)?;
    // Kept in the new place and named there: the old one can go.
    for (old, key) in moved {
        sources.store(old).remove(&key).map_err(RunError::from)?;
    }
    let names: Vec<SecretName> = values.iter().map(|kept| kept.name.clone()).collect();
    Usage::set(world, &chosen.name, &names).map_err(RunError::from)?;
    if is_new {
        told_of_protection(sources.file().protection(), terminal);
    }
    let after = run::choose(world, workspace)?.layers.end(None, Flags::default()).map_err(RunError::from)?;
    for kept in values {
        tell_kept(world, &after, kept, terminal);
    }
    Ok(())
}

fn tell_kept(world: &World, merged: &Merged, kept: &Kept, terminal: Terminal) {
    tell(world, merged, &kept.name, terminal);
    if kept.value.expose().iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        terminal.note(&format!(
            "agentsecrets: the value of `{}` holds a line break or NUL: it is kept as it is, and cannot be sent in a header",
            kept.name
        ));
    }
}

/// Chooses the store of each value, and asks for a keychain at most once.
struct Chooser<'a> {
    world: &'a World,
    sources: &'a Sources<'a>,
    wanted: Option<StoreKind>,
    fallback: Option<StoreKind>,
}

impl Chooser<'_> {
    /// A flag, else where the value was until now, else what the user's file says, else the keychain if there is one.
    fn choose(
        &mut self,
        flag: Option<StoreKind>,
        known: Option<&SecretSource>,
        terminal: Terminal,
    ) -> Result<StoreKind, CommandError> {
        let known = known.and_then(|known| match known {
            SecretSource::Store(kind) => Some(*kind),
            _ => None,
        });
        if let Some(kind) = flag.or(known).or(self.wanted).or(self.fallback) {
            return Ok(kind);
        }
        let kind = self.default()?;
        self.fallback = Some(kind);
        // Said when the file is made; from then on it is where values are.
        if kind == StoreKind::File && self.sources.file().protection().is_none() {
            let directory = self.sources.file().directory().display();
            terminal.note(&format!(
                "agentsecrets: no keychain answers here: values go into the encrypted file in `{directory}`"
            ));
        }
        Ok(kind)
    }

    fn default(&self) -> Result<StoreKind, CommandError> {
        let text = |name: &str| self.world.variable(name).and_then(std::ffi::OsStr::to_str);
        let bus = text("DBUS_SESSION_BUS_ADDRESS");
        if !source::is_reachable(bus, text("XDG_RUNTIME_DIR").map(Path::new)) {
            return Ok(StoreKind::File);
        }
        match self.sources.keychain().probe() {
            Ok(()) => Ok(StoreKind::Keychain),
            Err(SourceError::Keychain { failure: Failure::Absent }) => Ok(StoreKind::File),
            Err(error) => Err(RunError::from(error).into()),
        }
    }
}

/// The service to write down: what the user says, else what the value's form tells, else what its name does where
/// nothing was said before.
fn service(kept: &Kept, known: Option<&SecretPolicy>) -> Option<ServiceId> {
    if kept.change.service.is_some() {
        return kept.change.service.clone();
    }
    if kept.change.hosts.is_some() || known.is_some_and(|known| known.targets.is_some()) {
        return None;
    }
    let by_form = match policy::catalogue().recognise_value(kept.value.expose()) {
        Some(ValueKind::Key(entry)) => Some(entry),
        _ => None,
    };
    let is_said = known.is_some_and(|known| known.service.is_some());
    let by_name = || policy::catalogue().variable(kept.name.as_str()).filter(|_| !is_said);
    by_form.or_else(by_name).map(|entry| entry.service.id.clone())
}

/// Says where a secret is bound, or how to bind it.
pub(in crate::command) fn tell(world: &World, merged: &Merged, name: &SecretName, terminal: Terminal) {
    let variable = |name: &str| world.variable(name).map(OsString::from);
    let entry = policy::catalogue().variable(name.as_str());
    let text = match merged.bind(name, entry, &variable) {
        Some(binding) => {
            let hosts = binding.targets.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let more = binding.targets.len().saturating_sub(3);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let service = binding.service.map_or_else(String::new, |service| format!(" ({})", service.0));
            format!("agentsecrets: `{name}` may go to {hosts}{more}{service}")
        }
        None => format!(
            "agentsecrets: `{name}` is bound to no host yet\nhint: agentsecrets secrets bind {name} --host HOST"
        ),
    };
    terminal.note(&text);
}

/// Says what protects a new encrypted file, and what does not.
fn told_of_protection(protection: Option<Protection>, terminal: Terminal) {
    if let Some(Protection::Mode(path)) = protection {
        terminal.note(&format!(
            "agentsecrets: the key of the encrypted file is `{}`, readable by you alone. It protects against other users, \
             and against copies of the store without it; not against programs that run as you outside a sealed run, nor \
             against who copies both. Set AGENTSECRETS_PASSPHRASE when you set a secret, and a passphrase protects it.",
            path.display()
        ));
    }
}
