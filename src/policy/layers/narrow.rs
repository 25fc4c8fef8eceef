//! Takes a project's file in, which may narrow and never grant (C3).

use super::error::{PolicyError, PolicyPlace};
use super::file::PolicyFile;
use super::merge::values;
use super::merged::{Inspect, Isolation, Merged, OnStray, SecretPolicy, Sourced};
use super::reader::At;
use super::secret_table::SecretTable;
use crate::policy::{DefaultEgress, Target, catalogue};

/// Narrows `merged` by `file`, or says what in it would grant.
pub(super) fn narrow(merged: &mut Merged, file: PolicyFile) -> Result<(), PolicyError> {
    let isolation = merged.isolation.value;
    let weakens = |level: &Isolation| *level > isolation;
    apply(&mut merged.isolation, file.isolation, weakens, "weaken the isolation of the run")?;
    let blocks = merged.on_stray.value == OnStray::Block;
    let lets_out = |choice: &OnStray| blocks && *choice == OnStray::Inert;
    apply(&mut merged.on_stray, file.on_stray, lets_out, "let placeholders out that you block")?;
    let inspects_all = merged.inspect.value == Inspect::All;
    let looks_away = |choice: &Inspect| inspects_all && *choice == Inspect::Bound;
    apply(&mut merged.inspect, file.inspect, looks_away, "have fewer targets inspected than you do")?;
    refuse(file.workspace.as_ref(), |name| format!("choose the workspace `{name}`"))?;
    refuse(file.store.as_ref(), |store| format!("choose the store `{}`", store.as_str()))?;
    refuse(file.loopback.first(), |port| format!("open port {port} of your own loopback"))?;
    refuse(file.writable.first(), |path| format!("make `{path}` writable"))?;
    refuse(file.keep.first(), |name| format!("keep `{name}` readable"))?;
    merged.mask.extend(file.mask.into_iter().map(At::sourced));
    merged.scrub.extend(file.scrub.into_iter().map(At::sourced));
    egress(merged, file.default, file.allow)?;
    file.secrets.into_iter().try_for_each(|table| secret(merged, table))
}

fn apply<T>(
    slot: &mut Sourced<T>,
    value: Option<At<T>>,
    grants: impl Fn(&T) -> bool,
    what: &str,
) -> Result<(), PolicyError> {
    match value {
        Some(value) if grants(&value.value) => Err(grant(value.place, what.into())),
        Some(value) => {
            *slot = value.sourced();
            Ok(())
        }
        None => Ok(()),
    }
}

fn refuse<T>(value: Option<&At<T>>, what: impl Fn(&T) -> String) -> Result<(), PolicyError> {
    value.map_or(Ok(()), |value| Err(grant(value.place.clone(), what(&value.value))))
}

fn grant(place: PolicyPlace, what: String) -> PolicyError {
    PolicyError::Grant { place, what }
}

/// Under `allowlist` the project's list is a limit: of the user's own targets those on it stay, and where the user
/// allows the web, the listed hosts stay reachable as such. Without `allowlist` a list could only open something.
fn egress(merged: &mut Merged, default: Option<At<DefaultEgress>>, allow: Vec<At<Target>>) -> Result<(), PolicyError> {
    let own = merged.egress.default.value;
    match default.as_ref().map(|default| default.value) {
        Some(DefaultEgress::Web) if own == DefaultEgress::Allowlist => {
            return refuse(default.as_ref(), |_| "open the web".into());
        }
        Some(DefaultEgress::Allowlist) => {}
        Some(DefaultEgress::Web) | None => return refuse(allow.first(), |target| format!("open `{target}`")),
    }
    let allowed = std::mem::take(&mut merged.egress.allow);
    for target in allow {
        let common = allowed.iter().filter_map(|known| known.value.both(&target.value)).collect::<Vec<_>>();
        let is_web = own == DefaultEgress::Web && matches!(target.value.port, 80 | 443);
        if common.is_empty() && !is_web && own == DefaultEgress::Web {
            return Err(grant(target.place, format!("open `{}`", target.value)));
        }
        let origin = target.clone().sourced().origin;
        let sourced = |value| Sourced { value, origin: origin.clone() };
        merged.egress.allow.extend(common.into_iter().map(sourced));
        if is_web {
            merged.egress.web.push(target.sourced());
        }
    }
    apply(&mut merged.egress.default, default, |_| false, "")
}

fn secret(merged: &mut Merged, table: SecretTable) -> Result<(), PolicyError> {
    let name = table.name.value.clone();
    let own = merged.secret(name.as_str());
    let entry = catalogue().variable(name.as_str());
    let bound_to = own.and_then(|own| own.service.as_ref()).or(entry.map(|entry| &entry.service.id));
    if let Some(service) = table.service.filter(|service| bound_to != Some(&service.value)) {
        return Err(grant(service.place, format!("bind `{name}` to `{}`", service.value.0)));
    }
    refuse(table.inject.as_ref(), |_| format!("change how `{name}` is sent"))?;
    refuse(table.cache.as_ref(), |_| format!("say how long the value of `{name}` is used"))?;
    refuse(table.source.as_ref(), |_| format!("say where the value of `{name}` comes from"))?;
    let own_plaintext = own.is_some_and(|own| own.plaintext);
    let opens_plaintext = table.plaintext.as_ref().filter(|plaintext| plaintext.value && !own_plaintext);
    refuse(opens_plaintext, |_| format!("send `{name}` over plaintext http"))?;
    let granted = granted(own);
    let granted = granted.or(entry.map(|entry| entry.credential.targets.clone())).unwrap_or_default();
    if let Some(hosts) = &table.hosts {
        let is_granted = |host: &&At<Target>| granted.iter().any(|target| target.both(&host.value).is_some());
        refuse(hosts.iter().find(|host| !is_granted(host)), |host| format!("send `{name}` to `{host}`"))?;
    }
    let policy = merged.secret_or_new(table.name.sourced());
    if table.plaintext.is_some_and(|plaintext| !plaintext.value) {
        policy.plaintext = false;
    }
    policy.narrowed_targets = table.hosts.map(values);
    policy.narrowed_rules = values(table.rules);
    Ok(())
}

/// The targets that the user's own file gives a secret.
fn granted(own: Option<&SecretPolicy>) -> Option<Vec<Target>> {
    let own = own?;
    let by_service = || {
        let service = catalogue().service(own.service.as_ref()?)?;
        Some(service.targets().into_iter().cloned().collect())
    };
    own.targets.clone().or_else(by_service)
}
