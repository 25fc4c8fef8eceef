//! What becomes of each variable.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::claims::{Claims, Settled};
use super::known::Reach;
use super::replace::{apply, replacements};
use super::wants::{Want, Wants, wants};
use super::{Decision, VariablePlan};
use crate::mask::{Found, Literal, Place, Site};
use crate::policy::{Merged, Origin};
use crate::scrub;
use crate::secret::{SecretId, SecretName};

/// A variable, ready to be judged.
pub(super) struct Variable<'a> {
    name: &'a OsStr,
    value: &'a OsStr,
    literals: [Literal; 1],
}

/// The decisions about all variables.
pub(super) struct Variables {
    pub(super) plans: Vec<VariablePlan>,
    pub(super) environment: Vec<(OsString, OsString)>,
}

/// The variables as `getenv` sees them.
pub(super) fn sites(environment: &[(OsString, OsString)]) -> Vec<Variable<'_>> {
    fn variable<'a>((name, value): (&'a OsStr, &'a OsStr)) -> Variable<'a> {
        let literals = [Literal { range: 0..value.len(), default_of: None }];
        Variable { name, value, literals }
    }
    scrub::distinct(environment).into_iter().map(variable).collect()
}

impl Variable<'_> {
    fn site(&self) -> Site<'_> {
        let value = self.value.as_bytes();
        Site {
            place: Place::Value,
            key: self.name.as_bytes(),
            pointer: "",
            text: value,
            value,
            literals: &self.literals,
            refers_to: None,
        }
    }
}

/// The value of a variable in the parent.
pub(super) fn value(variables: &[Variable<'_>], name: &str) -> Option<OsString> {
    variables.iter().find(|variable| variable.name == name).map(|variable| variable.value.to_owned())
}

/// Gathers the secrets of the environment.
pub(super) fn claim(variables: &[Variable<'_>], policy: &Merged, claims: &mut Claims) {
    for variable in variables {
        let site = variable.site();
        if let Wants::Secrets(wants) = wants(&site, policy) {
            for want in wants {
                want.claim(&site, "the environment", claims);
            }
        }
    }
}

/// Decides about each variable, once all secrets are known.
pub(super) fn plan(variables: &[Variable<'_>], policy: &Merged, settled: &Settled, found: &[Found]) -> Variables {
    let mut planned = Variables { plans: Vec::new(), environment: Vec::new() };
    for variable in variables {
        let (plan, value) = decide(variable, policy, settled);
        planned.plans.push(plan);
        planned.environment.extend(value.map(|value| (variable.name.to_owned(), value)));
    }
    add_aliases(variables, settled, found, &mut planned);
    planned
}

fn decide(variable: &Variable<'_>, policy: &Merged, settled: &Settled) -> (VariablePlan, Option<OsString>) {
    let site = variable.site();
    let name = variable.name.to_string_lossy().into_owned();
    let plan = |decision, reason: String, origin| VariablePlan { name: name.clone(), decision, reason, origin };
    let judged = match wants(&site, policy) {
        Wants::Nothing => Vec::new(),
        Wants::Secrets(judged) => judged,
        Wants::KeepAsTold(cause) => {
            return (plan(Decision::Kept, cause.reason, Some(cause.origin)), Some(variable.value.to_owned()));
        }
        Wants::Remove(cause) => return (plan(Decision::Removed, cause.reason, Some(cause.origin)), None),
    };
    let replaced = replacements(&site, &judged, settled, Reach::Anywhere)
        .and_then(|found| Some((apply(site.text, &found, settled)?, found)));
    // What cannot be replaced is not shown.
    let Some((value, found)) = replaced else { return (plan(Decision::Removed, String::new(), None), None) };
    if found.is_empty() {
        return (plan(Decision::Kept, String::new(), None), Some(variable.value.to_owned()));
    }
    let ids: Vec<SecretId> = found.iter().map(|(_, id)| *id).collect();
    let (reason, origin) = why(&judged, &ids, settled);
    (plan(decision(&ids, settled), reason, origin), Some(OsString::from_vec(value)))
}

fn decision(ids: &[SecretId], settled: &Settled) -> Decision {
    let mut secrets: Vec<SecretName> = Vec::new();
    for held in ids.iter().filter_map(|id| settled.table().get(*id)) {
        if !secrets.contains(&held.name) {
            secrets.push(held.name.clone());
        }
    }
    if ids.iter().any(|id| settled.is_bound(*id)) {
        Decision::Brokered { secrets }
    } else {
        Decision::Hidden { secrets }
    }
}

fn why(judged: &[Want], ids: &[SecretId], settled: &Settled) -> (String, Option<Origin>) {
    if let Some(want) = judged.first() {
        return (want.cause.reason.clone(), Some(want.cause.origin.clone()));
    }
    let held = ids.first().and_then(|id| Some((settled.table().get(*id)?, settled.cause(*id)?)));
    held.map_or((String::new(), None), |(held, cause)| {
        (format!("contains the value of `{}`", held.name), Some(cause.origin.clone()))
    })
}

/// Gives the child a credential under the other names that its clients read.
fn add_aliases(variables: &[Variable<'_>], settled: &Settled, found: &[Found], planned: &mut Variables) {
    for variable in variables {
        let held = settled.find(variable.value.as_bytes()).and_then(|id| Some((id, settled.table().get(id)?)));
        let Some((id, held)) = held.filter(|(id, _)| settled.is_bound(*id)) else { continue };
        let Some(entry) = settled.cause(id).and_then(|cause| cause.entry) else { continue };
        if !entry.credential.variables.iter().any(|name| variable.name == name.as_str()) {
            continue;
        }
        for alias in &entry.credential.aliases {
            let is_set =
                planned.environment.iter().any(|(name, value)| name == alias.variable.as_str() && !value.is_empty());
            let is_wrong = found.iter().any(|found| found.id.is_some() && found.id == alias.unless_file);
            if is_set || is_wrong {
                continue;
            }
            planned.environment.retain(|(name, _)| name != alias.variable.as_str());
            planned.environment.push((alias.variable.clone().into(), held.placeholder.as_str().into()));
            planned.plans.push(VariablePlan {
                name: alias.variable.clone(),
                decision: Decision::Added { secret: held.name.clone() },
                reason: format!(
                    "some clients of {} read it instead of `{}`",
                    entry.service.title,
                    variable.name.display()
                ),
                origin: Some(entry.service.origin.clone()),
            });
        }
    }
}
