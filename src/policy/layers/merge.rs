//! Puts the layers on top of each other.

use super::Flags;
use super::error::{PolicyError, PolicyPlace};
use super::file::{self, NOT_A_VARIABLE, PolicyFile};
use super::merged::{Merged, SecretPolicy, Sourced};
use super::reader::At;
use super::secret_table::SecretTable;
use super::source_table::SecretSource;
use crate::policy::{FileGlob, Origin};
use crate::secret::WorkspaceName;

impl PolicyPlace {
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::File { path, line, .. } => Origin::File { path: path.clone(), line: *line },
            Self::Flag { flag } => Origin::Flag { flag: (*flag).to_owned() },
        }
    }
}

impl<T> At<T> {
    pub(super) fn sourced(self) -> Sourced<T> {
        Sourced { origin: self.place.origin(), value: self.value }
    }
}

fn set<T>(slot: &mut Sourced<T>, value: Option<At<T>>) {
    if let Some(value) = value {
        *slot = value.sourced();
    }
}

fn add<T>(list: &mut Vec<Sourced<T>>, values: Vec<At<T>>) {
    list.extend(values.into_iter().map(At::sourced));
}

/// Takes the user's `config.toml` in: all it says holds.
pub(super) fn user(merged: &mut Merged, file: PolicyFile) -> Result<(), PolicyError> {
    let is_store = |table: &&SecretTable| {
        table.source.as_ref().is_some_and(|source| matches!(source.value, SecretSource::Store(_)))
    };
    if let Some(source) = file.secrets.iter().find(is_store).and_then(|table| table.source.as_ref()) {
        return Err(PolicyError::Misplaced {
            place: source.place.clone(),
            key: "source".into(),
            instead: "values are kept for a workspace: agentsecrets secrets set NAME",
        });
    }
    merged.store = file.store.as_ref().map(|store| store.value);
    own(merged, file)
}

/// Takes the file of a workspace in: it is trusted by its place, and stands above `config.toml`, but for secrets that
/// are named there too: what is said there of one holds.
pub(super) fn workspace(merged: &mut Merged, name: &WorkspaceName, file: PolicyFile) -> Result<(), PolicyError> {
    let misplaced = |place: &PolicyPlace, key: &str| PolicyError::Misplaced {
        place: place.clone(),
        key: key.into(),
        instead: "write it into `config.toml` in your own configuration directory",
    };
    if let Some(workspace) = &file.workspace {
        return Err(misplaced(&workspace.place, "workspace"));
    }
    if let Some(store) = &file.store {
        return Err(misplaced(&store.place, "store"));
    }
    merged.workspace = Some(name.clone());
    own(merged, file)
}

/// Takes a file of the user's own in.
fn own(merged: &mut Merged, file: PolicyFile) -> Result<(), PolicyError> {
    if let Some(both) = file.keep.iter().find(|keep| file.scrub.iter().any(|scrub| scrub.value == keep.value)) {
        return Err(PolicyError::Value {
            place: both.place.clone(),
            key: "env.keep".into(),
            why: "holds a variable that `env.scrub` holds too",
        });
    }
    set(&mut merged.isolation, file.isolation);
    set(&mut merged.on_stray, file.on_stray);
    set(&mut merged.inspect, file.inspect);
    set(&mut merged.egress.default, file.default);
    add(&mut merged.egress.allow, file.allow);
    add(&mut merged.egress.loopback, file.loopback);
    add(&mut merged.mask, file.mask);
    add(&mut merged.writable, file.writable);
    add(&mut merged.keep, file.keep);
    add(&mut merged.scrub, file.scrub);
    for table in file.secrets {
        let origin = table.name.place.origin();
        let opening = table.source.iter().flat_map(|source| source.value.variables());
        // What opens a source hands its values to whoever has it.
        merged.scrub.extend(opening.map(|name| Sourced { value: name.to_owned(), origin: origin.clone() }));
        let new = secret(table);
        match merged.secrets.iter_mut().find(|known| known.name == new.name) {
            Some(known) => fill(known, new),
            None => merged.secrets.push(new),
        }
    }
    Ok(())
}

/// What `known` leaves open, `lower` says. Service and hosts are one thing: who names either has said where it may go.
fn fill(known: &mut SecretPolicy, lower: SecretPolicy) {
    if known.service.is_none() && known.targets.is_none() {
        (known.service, known.targets, known.plaintext) = (lower.service, lower.targets, lower.plaintext);
    }
    if known.slots.is_none() {
        (known.slots, known.attach) = (lower.slots, lower.attach);
    }
    if known.rules.is_empty() {
        known.rules = lower.rules;
    }
    known.source = known.source.take().or(lower.source);
    known.cache = known.cache.or(lower.cache);
    known.scan = known.scan.or(lower.scan);
}

fn secret(table: SecretTable) -> SecretPolicy {
    let inject = table.inject.map(|inject| inject.value);
    SecretPolicy {
        origin: table.name.place.origin(),
        name: table.name.value,
        service: table.service.map(|service| service.value),
        source: table.source.map(|source| source.value),
        cache: table.cache.map(|cache| cache.value),
        targets: table.hosts.map(values),
        slots: inject.as_ref().map(|inject| inject.slots.clone()),
        attach: inject.and_then(|inject| inject.attach),
        rules: values(table.rules),
        narrowed_targets: None,
        narrowed_rules: Vec::new(),
        plaintext: table.plaintext.is_some_and(|plaintext| plaintext.value),
        scan: table.scan.map(|scan| scan.value),
    }
}

pub(super) fn values<T>(list: Vec<At<T>>) -> Vec<T> {
    list.into_iter().map(|at| at.value).collect()
}

/// Takes the flags in: they win over every file.
pub(super) fn flags(merged: &mut Merged, flags: Flags) -> Result<(), PolicyError> {
    let at = |flag| PolicyPlace::Flag { flag };
    set(&mut merged.isolation, flags.isolation.map(|value| At { value, place: at("--isolation") }));
    set(&mut merged.on_stray, flags.on_stray.map(|value| At { value, place: at("--on-stray") }));
    set(&mut merged.inspect, flags.inspect.map(|value| At { value, place: at("--inspect") }));
    set(&mut merged.egress.default, flags.egress.map(|value| At { value, place: at("--egress") }));
    for text in &flags.allow {
        merged.egress.allow.push(file::target(text, &at("--allow"))?.sourced());
    }
    for value in flags.loopback {
        let place = at("--loopback");
        if value == 0 {
            return Err(PolicyError::Type { place, key: "--loopback".into(), wanted: "a port from 1 to 65535" });
        }
        merged.egress.loopback.push(At { value, place }.sourced());
    }
    for text in &flags.mask {
        let place = at("--mask");
        let value = FileGlob::parse(text).map_err(|source| PolicyError::File { place: place.clone(), source })?;
        merged.mask.push(At { value, place }.sourced());
    }
    add(&mut merged.writable, flags.writable.into_iter().map(|value| At { value, place: at("--writable") }).collect());
    let (keep, scrub) = (variables(flags.keep, "--keep")?, variables(flags.scrub, "--scrub")?);
    let among = |names: &[At<String>], name: &str| names.iter().any(|known| known.value == name);
    if keep.iter().any(|name| among(&scrub, &name.value)) {
        let why = "names a variable that `--scrub` names too";
        return Err(PolicyError::Value { place: at("--keep"), key: "--keep".into(), why });
    }
    merged.scrub.retain(|known| !among(&keep, &known.value));
    merged.keep.retain(|known| !among(&scrub, &known.value));
    add(&mut merged.keep, keep);
    add(&mut merged.scrub, scrub);
    Ok(())
}

fn variables(names: Vec<String>, flag: &'static str) -> Result<Vec<At<String>>, PolicyError> {
    let place = PolicyPlace::Flag { flag };
    if names.iter().all(|name| file::is_variable(name)) {
        Ok(names.into_iter().map(|value| At { value, place: place.clone() }).collect())
    } else {
        Err(PolicyError::Value { place, key: flag.into(), why: NOT_A_VARIABLE })
    }
}
