//! Gathers what is secret, then settles who it belongs to.
//!
//! **Invariants.** Equal values become one secret with one placeholder, whoever names them. A value that one of its
//! names binds is bound. Names are distinct: a second value under a known name gets a number.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;

use zeroize::Zeroizing;

use super::form;
use super::{PlanError, SecretPlan};
use crate::policy;
use crate::policy::{Binding, Form, Merged, Origin, Slot, Target};
use crate::scrub::Cause;
use crate::secret::{Placeholder, Secret, SecretId, SecretName, Shape, Table, is_distinctive, referred};

/// One sighting of a secret.
pub(super) struct Claim {
    /// The name it was found under.
    pub(super) name: SecretName,
    /// The value; `None` where it is fetched when it is used.
    pub(super) value: Option<Zeroizing<Vec<u8>>>,
    pub(super) cause: Cause,
    pub(super) form: Form,
    /// Where: `the environment`, a file's path.
    pub(super) place: String,
    /// Never injected, whatever its name says: a refresh token, an old key in a comment.
    pub(super) hide_only: bool,
    /// Where the file that holds it says that it goes.
    pub(super) told: Vec<Target>,
}

/// All sightings, in the order of precedence.
#[derive(Default)]
pub(super) struct Claims(Vec<Claim>);

/// The secrets of the run, each value once.
#[derive(Default)]
pub(super) struct Settled {
    table: Table,
    details: BTreeMap<SecretId, Detail>,
}

struct Detail {
    binding: Option<Binding>,
    cause: Cause,
    places: Vec<String>,
}

impl Claims {
    pub(super) fn push(&mut self, claim: Claim) {
        self.0.push(claim);
    }

    /// Mints a placeholder for each value. Among equal values the first that can be bound decides, else the first.
    /// `variable` is the user's own environment, which may point clients to other servers.
    pub(super) fn settle(
        self,
        policy: &Merged,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Settled, PlanError> {
        let bind = |claim: &Claim| policy.bind_told(&claim.name, claim.cause.entry, &claim.told, variable);
        let bound = |claim: &Claim| if claim.hide_only { None } else { bind(claim) };
        let mut claims: Vec<(Claim, Option<Binding>)> =
            self.0.into_iter().map(|claim| (bound(&claim), claim)).map(|(binding, claim)| (claim, binding)).collect();
        claims.sort_by_key(|(_, binding)| binding.is_none());
        let mut settled = Settled::default();
        let mut names = HashSet::new();
        for (claim, binding) in claims {
            settled.take(claim, binding, &mut names)?;
        }
        Ok(settled)
    }
}

impl Settled {
    /// `known` and what is claimed besides, which is hidden.
    pub(super) fn around(known: Table, claims: Claims) -> Result<Self, PlanError> {
        let mut names = known.iter().map(|(_, held)| held.name.clone()).collect();
        let mut settled = Self { table: known, details: BTreeMap::new() };
        claims.0.into_iter().try_for_each(|claim| settled.take(claim, None, &mut names))?;
        Ok(settled)
    }

    fn take(
        &mut self,
        claim: Claim,
        binding: Option<Binding>,
        names: &mut HashSet<SecretName>,
    ) -> Result<(), PlanError> {
        if let Some(id) = claim.value.as_ref().and_then(|value| self.find(value)) {
            // Of the secrets of a plan that is carried out, nothing more is to be known.
            let Some(known) = self.details.get_mut(&id) else { return Ok(()) };
            if !known.places.contains(&claim.place) {
                known.places.push(claim.place);
            }
            if let Some((known, other)) = known.binding.as_mut().zip(binding) {
                join(known, other);
            }
            return Ok(());
        }
        let value = claim.value.as_ref().map(|value| Secret::new(value.to_vec()));
        let name = distinct(&claim.name, names);
        let shape = shape(&claim);
        let mint = || Placeholder::mint(&shape);
        let id = match value {
            Some(value) => self.table.insert(name.clone(), value, mint).map_err(|_| PlanError::Random)?,
            None => self.table.insert_deferred(name.clone(), mint().map_err(|_| PlanError::Random)?),
        };
        let binding = binding.map(|binding| Binding { secret: name, ..binding });
        self.details.insert(id, Detail { binding, cause: claim.cause, places: vec![claim.place] });
        Ok(())
    }

    /// The secret that holds exactly these bytes, or that they refer to.
    pub(super) fn find(&self, value: &[u8]) -> Option<SecretId> {
        let named = referred(value).and_then(|name| self.table.named(&name));
        named.or_else(|| self.table.find(&Secret::new(value.to_vec())))
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn into_table(self) -> Table {
        self.table
    }

    pub(super) fn is_bound(&self, id: SecretId) -> bool {
        self.details.get(&id).is_some_and(|detail| detail.binding.is_some())
    }

    /// Whose a bound secret is: the service, or the first host where that is nobody's that is known.
    pub(super) fn owner(&self, id: SecretId) -> Option<String> {
        let binding = self.details.get(&id)?.binding.as_ref()?;
        let service = binding.service.as_ref().and_then(|id| policy::catalogue().service(id));
        service.map(|service| service.title.clone()).or_else(|| binding.targets.first().map(ToString::to_string))
    }

    pub(super) fn cause(&self, id: SecretId) -> Option<&Cause> {
        self.details.get(&id).map(|detail| &detail.cause)
    }

    pub(super) fn bindings(&self) -> Vec<Binding> {
        self.details.values().filter_map(|detail| detail.binding.clone()).collect()
    }

    /// Whether some secret is bound to this target.
    pub(super) fn is_target(&self, target: &Target) -> bool {
        let covers = |bound: &Target| bound.both(target).as_ref() == Some(target);
        self.details
            .values()
            .filter_map(|detail| detail.binding.as_ref())
            .any(|binding| binding.targets.iter().any(covers))
    }

    pub(super) fn plans(&self) -> Vec<SecretPlan> {
        let plan = |(id, held): (SecretId, &crate::secret::Held)| {
            let detail = self.details.get(&id)?;
            Some(SecretPlan {
                name: held.name.clone(),
                placeholder: held.placeholder.clone(),
                service: detail.binding.as_ref().and_then(|binding| binding.service.clone()),
                scan: detail.binding.as_ref().map(|binding| binding.scan).unwrap_or_default(),
                hosts: detail.binding.as_ref().map(|binding| binding.targets.clone()).unwrap_or_default(),
                places: detail.places.clone(),
                reason: detail.cause.reason.clone(),
                origin: detail.cause.origin.clone(),
                is_distinctive: held.value().is_none_or(|value| is_distinctive(value.expose())),
            })
        };
        self.table.iter().filter_map(plan).collect()
    }
}

/// One value for two servers, as each of its places says: it goes to both, unless a policy has decided where it goes.
fn join(known: &mut Binding, other: Binding) {
    let is_builtin = |binding: &Binding| matches!(binding.origin, Origin::Builtin { .. });
    if !is_builtin(known) || !is_builtin(&other) || known.targets == other.targets {
        return;
    }
    let new: Vec<Target> = other.targets.into_iter().filter(|target| !known.targets.contains(target)).collect();
    known.targets.extend(new);
    let new: Vec<Slot> = other.slots.into_iter().filter(|slot| !known.slots.contains(slot)).collect();
    known.slots.extend(new);
}

/// The form of a claim's placeholder: what its clients check, else one that tells nothing.
fn shape(claim: &Claim) -> Shape {
    let value = claim.value.as_ref().map_or(&b""[..], |value| value.as_slice());
    let known = || claim.cause.entry.map_or_else(|| form::plain_shape(value), |entry| entry.credential.shape(value));
    match claim.form {
        Form::Plain => known(),
        Form::Jwt => form::token_shape(value).unwrap_or_else(known),
    }
}

/// A name that no other value has.
fn distinct(name: &SecretName, names: &mut HashSet<SecretName>) -> SecretName {
    let mut candidate = name.clone();
    for number in 2_u32.. {
        if names.insert(candidate.clone()) {
            break;
        }
        let stem: String = name.as_str().chars().take(112).collect();
        // The stem is a valid name and so is what is put behind it.
        candidate = SecretName::new(format!("{stem}.{number}")).unwrap_or(candidate);
    }
    candidate
}

/// The nearest valid name to what a file or an environment calls a value.
pub(super) fn name_of(text: &[u8]) -> SecretName {
    let plain = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') => char::from(*byte),
        _ => '_',
    };
    let mut name: String = text.iter().map(plain).take(112).collect();
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        name.insert(0, '_');
    }
    SecretName::new(name).unwrap_or_else(|_| unnamed())
}

fn unnamed() -> SecretName {
    name_of(b"unnamed")
}
