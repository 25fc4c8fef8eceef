//! What is secret about a named value.

use super::text::{self, Stretch};
use super::url;
use crate::policy::{self, Entry, Merged, NameVerdict, Origin, ValueKind};

/// Why something is secret or not, for people, and whose credential it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The catalogue's credential, where name or form told.
    pub entry: Option<Entry<'static>>,
    /// The reason as the rest of a sentence: `has the form of a GitHub token`.
    pub reason: String,
    /// Where the rule stands.
    pub origin: Origin,
}

/// What is secret about a named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing.
    Keep,
    /// Nothing, because the user says so; it is not searched for known values either.
    KeepAsTold(Cause),
    /// It holds no secret and gives power over what does: it is taken away.
    Remove(Cause),
    /// All of it.
    Whole(Cause),
    /// These stretches of it; never empty.
    Parts(Vec<Stretch>),
}

/// Judges `value` under `name`. Empty values are kept, since clients take them for absent, and so are switches:
/// `ENABLE_AUTH=true` holds no secret.
pub fn judge(name: &[u8], value: &[u8], policy: &Merged) -> Judgement {
    if is_switch(value.trim_ascii()) {
        return Judgement::Keep;
    }
    let name = String::from_utf8_lossy(name);
    told(&name, value, policy).unwrap_or_else(|| by_rules(&name, value))
}

fn is_switch(value: &[u8]) -> bool {
    const SWITCHES: [&[u8]; 9] = [b"", b"0", b"1", b"true", b"false", b"yes", b"no", b"on", b"off"];
    SWITCHES.iter().any(|switch| value.eq_ignore_ascii_case(switch))
}

/// What the user's flags and files say of the name.
fn told(name: &str, value: &[u8], policy: &Merged) -> Option<Judgement> {
    let entry = policy::catalogue().recognise(name, value);
    if let Some(told) = policy.scrub.iter().find(|told| told.value == name) {
        return Some(Judgement::Whole(Cause {
            entry,
            reason: "you asked to hide it".into(),
            origin: told.origin.clone(),
        }));
    }
    if let Some(told) = policy.keep.iter().find(|told| told.value == name) {
        let reason = "you asked to keep it".into();
        return Some(Judgement::KeepAsTold(Cause { entry: None, reason, origin: told.origin.clone() }));
    }
    let told = policy.secret(name)?;
    Some(Judgement::Whole(Cause { entry, reason: "your policy names it".into(), origin: told.origin.clone() }))
}

fn by_rules(name: &str, value: &[u8]) -> Judgement {
    let catalogue = policy::catalogue();
    let by_form = catalogue.recognise_value(value);
    if let Some(cause) = by_form.and_then(|kind| of_whole_form(&kind)) {
        return Judgement::Whole(cause);
    }
    if let Some(entry) = catalogue.variable(name) {
        let reason = format!("{} reads its credential from it", entry.service.title);
        return Judgement::Whole(Cause { reason, origin: entry.service.origin.clone(), entry: Some(entry) });
    }
    let judgement = policy::scrub_rules().classify_name(name);
    let cause = || Cause { entry: None, reason: format!("is secret by {}", judgement.rule), origin: by_scrub_rules() };
    let parts = match judgement.verdict {
        NameVerdict::Power => {
            let reason = format!("gives power over secrets, by {}", judgement.rule);
            return Judgement::Remove(Cause { reason, ..cause() });
        }
        NameVerdict::Secret => match url::credentials(value) {
            url::Credentials::NotApart => return Judgement::Whole(cause()),
            url::Credentials::At(ranges) => {
                let stretches = ranges.into_iter().map(|range| Stretch { range, name: None, cause: cause() });
                text::merge(stretches.chain(text::in_value(value)).collect())
            }
        },
        NameVerdict::Keep | NameVerdict::Neutral => text::in_value(value),
    };
    if parts.is_empty() { Judgement::Keep } else { Judgement::Parts(parts) }
}

/// The cause where a whole value has a form that is secret; a URL's password is only a part.
fn of_whole_form(kind: &ValueKind<'static>) -> Option<Cause> {
    (*kind != ValueKind::Password).then(|| of_form(kind))
}

/// The cause that a form is.
pub(super) fn of_form(kind: &ValueKind<'static>) -> Cause {
    let (entry, reason, origin) = match kind {
        ValueKind::Key(entry) => (
            Some(*entry),
            format!("has the form of a {} credential", entry.service.title),
            entry.service.origin.clone(),
        ),
        ValueKind::Known(title) => (None, format!("has the form of a {title}"), by_scrub_rules()),
        ValueKind::Jwt => (None, "is a signed JSON web token".into(), by_scrub_rules()),
        ValueKind::PrivateKey => (None, "is a private key".into(), by_scrub_rules()),
        ValueKind::Password => (None, "is the password of a URL".into(), by_scrub_rules()),
    };
    Cause { entry, reason, origin }
}

/// The origin of the built-in name and value rules.
pub(super) fn by_scrub_rules() -> Origin {
    Origin::Builtin { file: "scrub.toml".into() }
}
