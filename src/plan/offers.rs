//! Secrets that the workspace offers: the child sees each under its own name and the name that its service's clients read.
//!
//! Of two values for one name the workspace's is used; the other one, of the environment, is only hidden.

use std::ffi::OsString;

use zeroize::Zeroizing;

use super::claims::{Claim, Claims, Settled};
use super::variables::Variables;
use super::{Decision, VariablePlan};
use crate::mask::Found;
use crate::policy::{self, Form, Merged, Origin};
use crate::scrub::Cause;
use crate::secret::{Held, Secret, SecretId, SecretName};

/// A secret of the workspace.
#[derive(Debug)]
pub struct Offer {
    /// Its name.
    pub name: SecretName,
    /// Its value; `None` where it is fetched when it is used.
    pub value: Option<Secret>,
    /// Where it comes from: ``workspace `acme` (keychain)``.
    pub place: String,
    /// The line that names it.
    pub origin: Origin,
}

/// Claims every offer; they come before all else, so that they keep their names.
pub(super) fn claim(offers: &[Offer], policy: &Merged, claims: &mut Claims) {
    for offer in offers {
        let name = offer.name.as_str();
        let recognised = match &offer.value {
            Some(value) => policy::catalogue().recognise(name, value.expose()),
            None => policy::catalogue().variable(name),
        };
        let entry = policy.entry(name, recognised);
        let reason = format!("comes from {}", offer.place);
        claims.push(Claim {
            name: offer.name.clone(),
            value: offer.value.as_ref().map(|value| Zeroizing::new(value.expose().to_vec())),
            cause: Cause { entry, reason, origin: offer.origin.clone() },
            form: Form::Plain,
            place: offer.place.clone(),
            hide_only: false,
            told: Vec::new(),
        });
    }
}

/// What the child sees in a variable that has the name of an offer; none where the offer cannot be used.
pub(super) fn take_place(offer: &Offer, settled: &Settled) -> Option<(VariablePlan, Option<OsString>)> {
    let (_, held) = held(offer, settled)?;
    let plan = VariablePlan {
        name: offer.name.to_string(),
        decision: Decision::Brokered { secrets: vec![held.name.clone()] },
        reason: format!("comes from {}", offer.place),
        origin: Some(offer.origin.clone()),
    };
    Some((plan, Some(held.placeholder.as_str().into())))
}

/// Adds the offers under every name that is not set.
pub(super) fn add(offers: &[Offer], settled: &Settled, found: &[Found], variables: &mut Variables) {
    for offer in offers {
        let Some((_, held)) = held(offer, settled) else { continue };
        variables.add(offer.name.as_str(), held, format!("comes from {}", offer.place), &offer.origin);
    }
    for offer in offers {
        let Some((id, held)) = held(offer, settled) else { continue };
        let Some(entry) = settled.cause(id).and_then(|cause| cause.entry) else { continue };
        let is_wrong = |file: &Option<String>| found.iter().any(|found| found.id.is_some() && found.id == *file);
        let aliases = entry.credential.aliases.iter().filter(|alias| !is_wrong(&alias.unless_file));
        let names = entry.credential.variables.first().into_iter().chain(aliases.map(|alias| &alias.variable));
        for name in names {
            let reason = format!("clients of {} read it", entry.service.title);
            variables.add(name, held, reason, &entry.service.origin);
        }
    }
}

/// The settled secret of an offer that is bound.
fn held<'a>(offer: &Offer, settled: &'a Settled) -> Option<(SecretId, &'a Held)> {
    let id = match &offer.value {
        Some(value) => settled.find(value.expose())?,
        // Offers are claimed first, and have their names.
        None => settled.table().named(&offer.name)?,
    };
    Some((id, settled.table().get(id)?)).filter(|_| settled.is_bound(id))
}
