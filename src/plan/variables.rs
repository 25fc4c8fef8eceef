//! What becomes of each variable.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::claims::{Claims, Settled};
use super::known::Reach;
use super::offers::{self, Offer};
use super::replace::{apply, replacements};
use super::wants::{Want, Wants, wants};
use super::{Decision, VariablePlan};
use crate::mask::{Found, Literal, Place, Site};
use crate::policy::{self, Merged, Origin};
use crate::scrub;
use crate::secret::{Held, SecretId, SecretName};

/// A variable, ready to be judged.
pub(super) struct Variable<'a> {
    name: &'a OsStr,
    value: &'a OsStr,
    /// The variable that names the setting of git whose value this one is, where the value of such a setting is no secret.
    setting: Option<&'a OsStr>,
    literals: [Literal; 1],
}

/// The decisions about all variables.
pub(super) struct Variables {
    pub(super) plans: Vec<VariablePlan>,
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl Variables {
    /// Gives the child a secret under a name that is not set or empty.
    pub(super) fn add(&mut self, name: &str, held: &Held, reason: String, origin: &Origin) {
        if self.environment.iter().any(|(known, value)| known == name && !value.is_empty()) {
            return;
        }
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.into(), held.placeholder.as_str().into()));
        self.plans.push(VariablePlan {
            name: name.to_owned(),
            decision: Decision::Added { secret: held.name.clone() },
            reason,
            origin: Some(origin.clone()),
        });
    }
}

/// The variables as `getenv` sees them.
pub(super) fn sites(environment: &[(OsString, OsString)]) -> Vec<Variable<'_>> {
    fn variable<'a>((name, value): (&'a OsStr, &'a OsStr), pairs: &[(&'a OsStr, &OsStr)]) -> Variable<'a> {
        let literals = [Literal { range: 0..value.len(), default_of: None }];
        Variable { name, value, setting: setting(name, pairs), literals }
    }
    let pairs = scrub::distinct(environment);
    pairs.iter().map(|pair| variable(*pair, &pairs)).collect()
}

/// The name of `GIT_CONFIG_KEY_7` for that of `GIT_CONFIG_VALUE_7` (git-config(1)), where the setting holds no secret.
fn setting<'a>(name: &OsStr, pairs: &[(&'a OsStr, &OsStr)]) -> Option<&'a OsStr> {
    let number = name.as_bytes().strip_prefix(b"GIT_CONFIG_VALUE_")?;
    let is_named = |name: &OsStr| name.as_bytes().strip_prefix(b"GIT_CONFIG_KEY_") == Some(number);
    let (name, setting) = pairs.iter().find(|(name, _)| is_named(name))?;
    policy::scrub_rules().is_plain_setting_of_git(setting.to_str()?).then_some(*name)
}

impl Variable<'_> {
    fn site(&self, policy: &Merged) -> Site<'_> {
        let value = self.value.as_bytes();
        let is_told = || policy.names(&self.name.to_string_lossy());
        let key = self.setting.filter(|_| !is_told()).unwrap_or(self.name);
        Site {
            place: Place::Value,
            key: key.as_bytes(),
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
pub(super) fn claim(variables: &[Variable<'_>], policy: &Merged, offers: &[Offer], claims: &mut Claims) {
    for variable in variables {
        let site = variable.site(policy);
        let is_replaced = offers.iter().any(|offer| variable.name == offer.name.as_str());
        if let Wants::Secrets(wants) = wants(&site, policy) {
            for want in wants {
                // The workspace's value of that name is used, so this one is not.
                let want = Want { hide_only: want.hide_only || is_replaced, ..want };
                want.claim(&site, "the environment", claims);
            }
        }
    }
}

/// Decides about each variable, once all secrets are known.
pub(super) fn plan(
    variables: &[Variable<'_>],
    policy: &Merged,
    settled: &Settled,
    offers: &[Offer],
    found: &[Found],
) -> Variables {
    let mut planned = Variables { plans: Vec::new(), environment: Vec::new() };
    for variable in variables {
        let offer = offers.iter().find(|offer| variable.name == offer.name.as_str());
        let taken = offer.and_then(|offer| offers::take_place(offer, settled));
        let (plan, value) = taken.unwrap_or_else(|| decide(variable, policy, settled));
        planned.plans.push(plan);
        planned.environment.extend(value.map(|value| (variable.name.to_owned(), value)));
    }
    add_aliases(variables, settled, found, &mut planned);
    planned
}

fn decide(variable: &Variable<'_>, policy: &Merged, settled: &Settled) -> (VariablePlan, Option<OsString>) {
    let site = variable.site(policy);
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
    let ids: Vec<SecretId> = found.iter().map(|part| part.id).collect();
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
            let is_wrong = found.iter().any(|found| found.id.is_some() && found.id == alias.unless_file);
            if is_wrong {
                continue;
            }
            let reason =
                format!("some clients of {} read it instead of `{}`", entry.service.title, variable.name.display());
            planned.add(&alias.variable, held, reason, &entry.service.origin);
        }
    }
}
