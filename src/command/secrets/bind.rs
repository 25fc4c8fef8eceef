//! `secrets bind`: where a secret may go and how it is sent.

use super::super::own::Own;
use super::{CommandError, name};
use crate::cli::BindingOptions;
use crate::policy::{self, Injection, SecretChange, ServiceId, Target};
use crate::report::Terminal;
use crate::run;
use crate::secret::WorkspaceName;
use crate::world::World;

/// Binds the secret `text`, wherever its value comes from.
pub(super) fn bind(
    world: &World,
    workspace: Option<&WorkspaceName>,
    text: &str,
    options: &BindingOptions,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let name = name(text)?;
    let change = change(options)?;
    if change == SecretChange::default() {
        return Err(CommandError::Words("say where it may go: --host HOST or --service SERVICE".into()));
    }
    let chosen = run::choose(world, workspace)?;
    let file = Own::take(&chosen.path)?;
    let mut edit = file.edit()?;
    edit.set_secret(&name, &change).map_err(run::RunError::from)?;
    file.put(edit)?;
    let merged =
        run::choose(world, workspace)?.layers.end(None, policy::Flags::default()).map_err(run::RunError::from)?;
    super::tell(world, &merged, &name, terminal);
    Ok(())
}

/// What the flags say of a binding.
pub(super) fn change(options: &BindingOptions) -> Result<SecretChange, CommandError> {
    let words = |error: &dyn std::fmt::Display| CommandError::Words(error.to_string());
    let hosts = options.host.iter().map(|host| target(host)).collect::<Result<Vec<_>, _>>()?;
    let rules = options.rule.iter().map(|rule| rule.parse().map_err(|error: policy::PathError| words(&error)));
    let rules = rules.collect::<Result<Vec<_>, _>>()?;
    Ok(SecretChange {
        store: None,
        service: options.service.as_deref().map(service).transpose()?,
        hosts: Some(hosts).filter(|hosts| !hosts.is_empty()),
        inject: options.inject.as_deref().map(injection).transpose()?,
        rules: Some(rules).filter(|rules| !rules.is_empty()),
    })
}

/// A host that the user wrote.
pub(in crate::command) fn target(text: &str) -> Result<Target, CommandError> {
    if text.contains('/') {
        return Err(CommandError::Words(format!(
            "`{}`: write the host alone, without scheme and path: `api.example.com`, or `api.example.com:8443`",
            text.escape_debug()
        )));
    }
    Target::parse(text).map_err(|error| CommandError::Words(error.to_string()))
}

fn service(text: &str) -> Result<ServiceId, CommandError> {
    let id = ServiceId(text.to_owned());
    if policy::catalogue().service(&id).is_some() {
        return Ok(id);
    }
    let known: Vec<&str> = policy::catalogue().services().iter().map(|service| service.id.0.as_str()).collect();
    Err(CommandError::Words(format!("`{}` is no service of the catalogue: {}", text.escape_debug(), known.join(", "))))
}

fn injection(text: &str) -> Result<Injection, CommandError> {
    match text {
        "bearer" => Ok(Injection::Bearer),
        "basic" => Ok(Injection::Basic),
        // The file is read again before it is written, so that a name that cannot be is refused there.
        _ => match text.split_once('=') {
            Some(("header", name)) => Ok(Injection::Header(name.to_owned())),
            Some(("query", name)) => Ok(Injection::Field("query", name.to_owned())),
            Some(("cookie", name)) => Ok(Injection::Field("cookie", name.to_owned())),
            Some(("json", pointer)) => Ok(Injection::Field("json", pointer.to_owned())),
            Some(("form", name)) => Ok(Injection::Field("form", name.to_owned())),
            _ => Err(CommandError::Words(format!(
                "`--inject {}`: write `bearer`, `basic`, `header=NAME`, `query=NAME`, `cookie=NAME`, `json=/POINTER` or \
                 `form=NAME`",
                text.escape_debug()
            ))),
        },
    }
}
