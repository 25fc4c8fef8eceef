//! `secrets import`: keeps the secrets of a dotenv file. The file stays as it is.

use std::collections::BTreeMap;

use super::{CommandError, Kept, keep};
use crate::cli::ImportOptions;
use crate::policy::{Merged, SecretChange, StoreKind};
use crate::report::Terminal;
use crate::run;
use crate::scrub::{Judgement, judge};
use crate::secret::{Secret, SecretName, WorkspaceName};
use crate::world::World;

/// Keeps the values that look secret, or those that are named.
pub(super) fn import(
    world: &World,
    workspace: Option<&WorkspaceName>,
    options: &ImportOptions,
    terminal: Terminal,
) -> Result<(), CommandError> {
    let path = world.current_directory.join(&options.file);
    let mut values = run::dotenv(&path)?;
    if let Some(missing) = options.names.iter().find(|name| !values.contains_key(*name)) {
        return Err(CommandError::Words(format!(
            "`{}` has no value for `{}` that stands for itself",
            path.display(),
            missing.escape_debug()
        )));
    }
    if options.names.is_empty() {
        values.retain(|name, value| looks_secret(name, value));
    } else {
        values.retain(|name, _| options.names.contains(name));
    }
    let count = values.len();
    if count == 0 {
        terminal.note(&format!("agentsecrets: nothing in `{}` looks secret: name the keys to keep", path.display()));
        return Ok(());
    }
    keep(world, workspace, options.store.map(StoreKind::from), &named(values)?, terminal)?;
    let what = if count == 1 { "1 value".to_owned() } else { format!("{count} values") };
    terminal.note(&format!(
        "agentsecrets: kept {what} of `{}`; the file still holds {}: remove from it what you no longer need there",
        path.display(),
        if count == 1 { "it" } else { "them" }
    ));
    Ok(())
}

/// Whether `secrets import` takes a value that nobody named.
pub(in crate::command) fn looks_secret(name: &str, value: &Secret) -> bool {
    let judgement = judge(name.as_bytes(), value.expose(), &Merged::default());
    SecretName::new(name).is_ok() && !value.is_empty() && matches!(judgement, Judgement::Whole(_))
}

fn named(values: BTreeMap<String, Secret>) -> Result<Vec<Kept>, CommandError> {
    let kept = |(name, value): (String, Secret)| {
        Ok(Kept { name: super::name(&name)?, value, change: SecretChange::default() })
    };
    values.into_iter().map(kept).collect()
}
