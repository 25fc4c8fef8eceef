//! The command line: no secret may stand in it, because every process of the run can read it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::PlanError;
use super::claims::Settled;
use super::known::{self, Reach};
use crate::policy::{self, ValueKind};

/// Refuses a command line with a known value.
pub(super) fn check(arguments: &[OsString], settled: &Settled) -> Result<(), PlanError> {
    for (position, argument) in arguments.iter().enumerate() {
        let found = known::within(argument.as_bytes(), settled, Reach::Anywhere);
        if let Some(held) = found.first().and_then(|(_, id)| settled.table().get(*id)) {
            return Err(PlanError::SecretInArgument { position, name: held.name.clone() });
        }
    }
    Ok(())
}

/// The arguments as they may be shown and recorded: what looks like a key is left out.
pub(super) fn shown(arguments: &[OsString]) -> Vec<OsString> {
    arguments.iter().map(|argument| OsString::from_vec(policy::without_keys(argument.as_bytes()))).collect()
}

/// Warns of what looks like a key and is known from nowhere: it may be an example, or what is searched for.
pub(super) fn warnings(arguments: &[OsString]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (position, argument) in arguments.iter().enumerate() {
        for found in policy::catalogue().keys_within(argument.as_bytes()) {
            let what = match found.kind {
                ValueKind::Key(entry) => format!("a {} credential", entry.service.title),
                ValueKind::Known(title) => format!("a {title}"),
                ValueKind::PrivateKey => "a private key".into(),
                ValueKind::Jwt => "a signed token".into(),
                ValueKind::Password => "the password of a URL".into(),
            };
            warnings.push(format!(
                "argument {position} of the command holds what looks like {what}: it is passed on as it is, and the child sees it"
            ));
        }
    }
    warnings
}
