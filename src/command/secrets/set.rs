//! `secrets set`: from the command line, standard input, a hidden prompt or the environment.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use zeroize::Zeroizing;

use super::{CommandError, Kept, bind, keep};
use crate::cli::SetOptions;
use crate::policy::StoreKind;
use crate::report::{self, Terminal};
use crate::run::{RunError, Sources};
use crate::secret::{Secret, SecretName, WorkspaceName};
use crate::source::{Key, LARGEST_VALUE, Source};
use crate::world::World;

/// Keeps what the arguments name.
pub(super) fn set(
    world: &World,
    workspace: Option<&WorkspaceName>,
    options: &SetOptions,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let change = bind::change(&options.binding)?;
    let secrets = options.secrets.iter().map(|text| split(text)).collect::<Result<Vec<_>, _>>()?;
    let unnamed = secrets.iter().filter(|(_, value)| value.is_none()).count();
    if options.from_env.is_some() && unnamed != secrets.len() {
        return Err(CommandError::Words("`--from-env` takes names alone, without `=VALUE`".into()));
    }
    if options.from_env.is_none() && unnamed > 1 {
        return Err(CommandError::Words("standard input holds one value: name one secret at a time".into()));
    }
    if matches!(&options.from_env, Some(Some(_))) && secrets.len() > 1 {
        return Err(CommandError::Words("one variable holds one value: name one secret with `--from-env=VAR`".into()));
    }
    let is_in_history = unnamed < secrets.len();
    let mut values = Vec::new();
    for (name, value) in secrets {
        let value = match (value, &options.from_env) {
            (Some(value), _) => value,
            (None, Some(variable)) => from_environment(world, &name, variable.as_deref())?,
            (None, None) => ask(world, &name)?,
        };
        values.push(Kept { name, value, change: change.clone() });
    }
    keep(world, workspace, options.store.map(StoreKind::from), &values, terminal)?;
    if is_in_history {
        terminal.note(
            "agentsecrets: a value on the command line stays in the shell's history and is seen by `ps` while the command runs\n\
             hint: agentsecrets secrets set NAME, which asks for the value",
        );
    }
    Ok(())
}

/// `NAME=VALUE`, or `NAME`.
fn split(text: &OsStr) -> Result<(SecretName, Option<Secret>), CommandError> {
    let bytes = text.as_bytes();
    let end = memchr::memchr(b'=', bytes).unwrap_or(bytes.len());
    // What is no name may be a value that lost its name: it is not repeated.
    let written = std::str::from_utf8(&bytes[..end]).ok().filter(|written| written.len() <= 128);
    let written = written.and_then(|written| SecretName::new(written).ok());
    let name = written.ok_or_else(|| {
        CommandError::Words(
            "write NAME or NAME=VALUE: a name has letters, digits, `_`, `-` and `.`, and starts with a letter or `_`"
                .into(),
        )
    })?;
    Ok((name, bytes.get(end + 1..).map(|value| Secret::new(value.to_vec()))))
}

fn from_environment(world: &World, name: &SecretName, variable: Option<&str>) -> Result<Secret, CommandError> {
    let key = Key { workspace: WorkspaceName::default(), name: name.clone() };
    let source = Sources::new(world).environment(variable.unwrap_or(name.as_str()));
    Ok(source.fetch(&key).map_err(|source| RunError::Keep { name: name.clone(), source })?)
}

/// The value from a hidden prompt where somebody sits before one, else from standard input, without the newline at its
/// end, which editors and `echo` add.
fn ask(world: &World, name: &SecretName) -> Result<Secret, CommandError> {
    if world.terminal.input
        && let Some(value) = report::prompt(&format!("Value of {name}: ")).map_err(CommandError::Input)?
    {
        return Ok(value);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST_VALUE + 3));
    io::stdin().lock().take(LARGEST_VALUE as u64 + 3).read_to_end(&mut bytes).map_err(CommandError::Input)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn parts(text: &str) -> Option<(String, Option<Vec<u8>>)> {
        let (name, value) = split(&OsString::from(text)).ok()?;
        Some((name.to_string(), value.map(|value| value.expose().to_vec())))
    }

    #[test]
    fn a_name_ends_at_the_first_equals_sign() {
        assert_eq!(parts("A=b=c"), Some(("A".into(), Some(b"b=c".to_vec()))));
        assert_eq!(parts("A="), Some(("A".into(), Some(Vec::new()))));
        assert_eq!(parts("A"), Some(("A".into(), None)));
        assert_eq!(parts("=x"), None);
        assert_eq!(parts("sk live 42"), None);
    }

    #[test]
    fn what_is_no_name_is_not_repeated() {
        let error = split(&OsString::from("sk/live/4242=x")).unwrap_err();
        assert!(!error.to_string().contains("4242"), "{error}");
    }
}
