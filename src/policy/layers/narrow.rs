//! Takes a project's file in, which may narrow, and grants only what its owner has trusted (C3).

use super::error::PolicyError;
use super::file::PolicyFile;
use super::merge::values;
use super::merged::{Inspect, Isolation, Merged, OnStray, SecretPolicy, Sourced};
use super::project::{self, ProjectLayer, ProjectText};
use super::reader::At;
use super::secret_table::SecretTable;
use super::source_table::SecretSource;
use crate::policy::{DefaultEgress, HostPattern, ServiceId, Target, catalogue};

/// The layers and the file that comes on top of them.
struct Narrowing<'a> {
    merged: &'a mut Merged,
    project: &'a ProjectText,
    grants: Vec<Sourced<String>>,
}

/// Narrows `merged` by the project's file; what in it grants is taken where the file is trusted, else refused.
pub(super) fn narrow(merged: &mut Merged, project: &ProjectText) -> Result<(), PolicyError> {
    let file = PolicyFile::parse(&project.file.path, &project.file.text)?;
    let mut narrowing = Narrowing { merged, project, grants: Vec::new() };
    narrowing.take(file)?;
    let grants = narrowing.grants;
    merged.project = Some(ProjectLayer {
        path: project.file.path.display().to_string(),
        sha256: project.fingerprint,
        standing: project.standing.clone(),
        grants,
    });
    Ok(())
}

impl Narrowing<'_> {
    fn take(&mut self, file: PolicyFile) -> Result<(), PolicyError> {
        if let Some(store) = &file.store {
            return Err(misplaced(store, "store", "where values lie is each user's own: write it into `config.toml`"));
        }
        let (isolation, on_stray) = (self.merged.isolation.value, self.merged.on_stray.value);
        let inspect = self.merged.inspect.value;
        let weakens = |level: &Isolation| *level > isolation;
        let level = |level: &Isolation| format!("weaken the isolation of the run to `{}`", level.as_str());
        self.set(|merged| &mut merged.isolation, file.isolation, weakens, level)?;
        let lets_out = |choice: &OnStray| on_stray == OnStray::Block && *choice == OnStray::Inert;
        let unblocked = |_: &OnStray| "let placeholders out that you block".into();
        self.set(|merged| &mut merged.on_stray, file.on_stray, lets_out, unblocked)?;
        let looks_away = |choice: &Inspect| inspect == Inspect::All && *choice == Inspect::Bound;
        let fewer = |_: &Inspect| "have fewer targets inspected than you do".into();
        self.set(|merged| &mut merged.inspect, file.inspect, looks_away, fewer)?;
        if let Some(name) = &file.workspace {
            // Whoever reads the layers has chosen it by now.
            self.grant(name, format!("choose the workspace `{}`", name.value))?;
        }
        for port in file.loopback {
            self.grant(&port, format!("open port {} of your own loopback", port.value))?;
            self.merged.egress.loopback.push(port.sourced());
        }
        for path in file.writable {
            self.grant(&path, format!("make `{}` writable", path.value))?;
            self.merged.writable.push(path.sourced());
        }
        for name in file.keep {
            self.grant(&name, format!("keep `{}` readable", name.value))?;
            self.merged.scrub.retain(|known| known.value != name.value);
            self.merged.keep.push(name.sourced());
        }
        self.merged.mask.extend(file.mask.into_iter().map(At::sourced));
        self.merged.scrub.extend(file.scrub.into_iter().map(At::sourced));
        self.egress(file.default, file.allow)?;
        file.secrets.into_iter().try_for_each(|table| self.secret(table))
    }

    /// Takes what the file grants with `at`, if it may.
    fn grant<T>(&mut self, at: &At<T>, what: String) -> Result<(), PolicyError> {
        if !self.project.is_trusted() {
            return Err(self.project.refusal(at, what));
        }
        self.grants.push(Sourced { value: what, origin: at.place.origin() });
        Ok(())
    }

    fn set<T>(
        &mut self,
        slot: fn(&mut Merged) -> &mut Sourced<T>,
        value: Option<At<T>>,
        grants: impl Fn(&T) -> bool,
        what: impl Fn(&T) -> String,
    ) -> Result<(), PolicyError> {
        let Some(value) = value else { return Ok(()) };
        if grants(&value.value) {
            self.grant(&value, what(&value.value))?;
        }
        *slot(self.merged) = value.sourced();
        Ok(())
    }

    /// Under `allowlist` the project's list is a limit: of the user's own targets those on it stay, and where the user
    /// allows the web, the listed hosts stay reachable as such. Without `allowlist` a list could only open something.
    fn egress(&mut self, default: Option<At<DefaultEgress>>, allow: Vec<At<Target>>) -> Result<(), PolicyError> {
        let own = self.merged.egress.default.value;
        let is_limit = default.as_ref().is_some_and(|default| default.value == DefaultEgress::Allowlist);
        let opens_web = |choice: &DefaultEgress| *choice == DefaultEgress::Web && own == DefaultEgress::Allowlist;
        self.set(|merged| &mut merged.egress.default, default, opens_web, |_| "open the web".into())?;
        if !is_limit {
            for target in allow {
                self.grant(&target, format!("open `{}`", target.value))?;
                self.merged.egress.allow.push(target.sourced());
            }
            return Ok(());
        }
        let allowed = std::mem::take(&mut self.merged.egress.allow);
        for target in allow {
            let common = allowed.iter().filter_map(|known| known.value.both(&target.value)).collect::<Vec<_>>();
            let is_web = own == DefaultEgress::Web && matches!(target.value.port, 80 | 443);
            // Names stay what they are under `web`, which never leads to private addresses.
            let is_more = !(common.contains(&target.value) || is_web && is_name(&target.value));
            let is_lost = common.is_empty() && !is_web && own == DefaultEgress::Web;
            if is_more && (is_lost || self.project.is_trusted()) {
                self.grant(&target, format!("open `{}`", target.value))?;
                self.merged.egress.allow.push(target.sourced());
                continue;
            }
            let origin = target.place.origin();
            let sourced = |value| Sourced { value, origin: origin.clone() };
            self.merged.egress.allow.extend(common.into_iter().map(sourced));
            if is_web {
                self.merged.egress.web.push(target.sourced());
            }
        }
        Ok(())
    }

    fn secret(&mut self, table: SecretTable) -> Result<(), PolicyError> {
        let before = self.grants.len();
        let (name, origin) = (table.name.value.clone(), table.name.place.origin());
        let own = self.merged.secret(name.as_str());
        let entry = catalogue().variable(name.as_str());
        let bound_to = own.and_then(|own| own.service.as_ref()).or(entry.map(|entry| &entry.service.id)).cloned();
        let own_plaintext = own.is_some_and(|own| own.plaintext);
        let own_scan = own.and_then(|own| own.scan).unwrap_or_default();
        let of_entry = || entry.map(|entry| entry.credential.targets.clone());
        let mut granted = granted(own).or_else(of_entry).unwrap_or_default();
        let only = only(&table);
        let service = table.service.filter(|service| bound_to.as_ref() != Some(&service.value));
        if let Some(service) = &service {
            granted = targets_of(&service.value).unwrap_or_default();
            self.grant(service, format!("bind `{name}` to `{}`{only}", service.value.0))?;
        }
        if let Some(inject) = &table.inject {
            self.grant(inject, format!("change how `{name}` is sent: {}", project::manner(&inject.value)))?;
        }
        if let Some(cache) = &table.cache {
            let time = project::lifetime(cache.value);
            self.grant(cache, format!("say how long the value of `{name}` is used: {time}"))?;
        }
        if let Some(source) = &table.source {
            self.judge_source(source)?;
            let place = project::origin(&source.value, name.as_str());
            self.grant(source, format!("say where the value of `{name}` comes from: {place}"))?;
        }
        let opens_plaintext = table.plaintext.as_ref().filter(|plaintext| plaintext.value && !own_plaintext);
        if let Some(plaintext) = opens_plaintext {
            self.grant(plaintext, format!("send `{name}` over plaintext http"))?;
        }
        if let Some(scan) = table.scan.as_ref().filter(|scan| scan.value < own_scan) {
            let less = scan.value.as_str();
            self.grant(scan, format!("search answers to requests with `{name}` less strictly: `scan = \"{less}\"`"))?;
        }
        let is_granted = |host: &At<Target>| granted.iter().any(|target| target.both(&host.value).is_some());
        let new: Vec<&At<Target>> = table.hosts.iter().flatten().filter(|host| !is_granted(host)).collect();
        for host in &new {
            self.grant(*host, format!("send `{name}` to `{}`{only}", host.value))?;
        }
        let is_bound_anew = !new.is_empty();
        let has_grants = self.grants.len() > before;
        let policy = self.merged.secret_or_new(table.name.sourced());
        if let Some(service) = service {
            (policy.service, policy.targets) = (Some(service.value), None);
        }
        if let Some(plaintext) = table.plaintext {
            policy.plaintext = plaintext.value;
        }
        policy.scan = table.scan.map(|scan| scan.value).or(policy.scan);
        let hosts = table.hosts.map(values);
        if is_bound_anew {
            (policy.targets, policy.narrowed_targets) = (hosts, None);
        } else {
            policy.narrowed_targets = hosts;
        }
        if let Some(inject) = table.inject {
            (policy.slots, policy.attach) = (Some(inject.value.slots), inject.value.attach);
        }
        policy.cache = table.cache.map(|cache| cache.value).or(policy.cache);
        policy.narrowed_rules = values(table.rules);
        if has_grants {
            policy.origin = origin.clone();
        }
        if let Some(source) = table.source {
            let opening =
                source.value.variables().map(|name| Sourced { value: name.to_owned(), origin: origin.clone() });
            let opening: Vec<_> = opening.collect();
            policy.source = Some(source.value);
            // What opens a source hands its values to whoever has it.
            self.merged.scrub.extend(opening);
        }
        Ok(())
    }

    /// Refuses sources that no trust makes right: what a store keeps is each workspace's own, and what lies in the
    /// project can be another thing by the time it is used (S6).
    fn judge_source(&self, source: &At<SecretSource>) -> Result<(), PolicyError> {
        let directory = self.project.file.path.parent().and_then(std::path::Path::to_str).unwrap_or_default();
        let is_inside = |text: &str| directory.len() > 1 && text.contains(directory);
        let leads_inside = match &source.value {
            SecretSource::Store(_) => {
                return Err(misplaced(
                    source,
                    "source",
                    "values are kept for a workspace: agentsecrets secrets set NAME",
                ));
            }
            SecretSource::Command { argv, .. } => argv.iter().any(|word| is_inside(word)),
            SecretSource::Hashicorp(at) => at.ca.as_deref().is_some_and(is_inside),
            SecretSource::Env { .. } | SecretSource::Dotenv { .. } => false,
        };
        if leads_inside {
            let why = "names what lies in the project, where an agent could have put it";
            return Err(PolicyError::Value { place: source.place.clone(), key: "source".into(), why });
        }
        Ok(())
    }
}

fn misplaced<T>(at: &At<T>, key: &str, instead: &'static str) -> PolicyError {
    PolicyError::Misplaced { place: at.place.clone(), key: key.into(), instead }
}

fn is_name(target: &Target) -> bool {
    match &target.host {
        HostPattern::Exact(host) => host.name().is_some(),
        HostPattern::Below(_) => true,
    }
}

/// The limits that stand beside a grant, as the end of its sentence: without them it is another one.
fn only(table: &SecretTable) -> String {
    let rules: Vec<String> = table.rules.iter().map(|rule| format!("`{}`", rule.value)).collect();
    if rules.is_empty() { String::new() } else { format!(", only for {}", rules.join(", ")) }
}

fn targets_of(service: &ServiceId) -> Option<Vec<Target>> {
    Some(catalogue().service(service)?.targets().into_iter().cloned().collect())
}

/// The targets that the user's own file gives a secret.
fn granted(own: Option<&SecretPolicy>) -> Option<Vec<Target>> {
    let own = own?;
    own.targets.clone().or_else(|| targets_of(own.service.as_ref()?))
}
