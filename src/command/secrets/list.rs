//! `secrets list`: what is known of each secret; opens no store.

use std::ffi::OsString;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::super::output;
use super::CommandError;
use crate::policy::{self, Binding, Flags, SecretPolicy, SecretSource};
use crate::report::plain;
use crate::run::{self, RunError, Usage};
use crate::secret::WorkspaceName;
use crate::world::World;

/// Prints the secrets of the workspace, and those of `config.toml`, which hold in every one.
pub(super) fn list(world: &World, workspace: Option<&WorkspaceName>, json: bool) -> Result<(), CommandError> {
    let chosen = run::choose(world, workspace)?.existing()?;
    let usage = Usage::read(world, &chosen.name);
    let merged = chosen.layers.end(None, Flags::default()).map_err(RunError::from)?;
    let variable = |name: &str| world.variable(name).map(OsString::from);
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(merged.secrets.len());
    for secret in &merged.secrets {
        let entry = policy::catalogue().variable(secret.name.as_str());
        let dates = usage.of(&secret.name);
        let binding = merged.bind(&secret.name, entry, &variable);
        rows.push(Row { secret, binding, set: dates.set, used: dates.used });
    }
    rows.sort_by_key(|row| &row.secret.name);
    let text = if json { as_json(&rows, &chosen.name) } else { as_text(&rows, &chosen.name) };
    output::print(&text).map_err(CommandError::Output)
}

struct Row<'a> {
    secret: &'a SecretPolicy,
    binding: Option<Binding>,
    set: Option<Timestamp>,
    used: Option<Timestamp>,
}

impl Row<'_> {
    fn service(&self) -> Option<&str> {
        let bound = self.binding.as_ref().and_then(|binding| binding.service.as_ref());
        bound.or(self.secret.service.as_ref()).map(|service| service.0.as_str())
    }

    fn hosts(&self) -> Vec<String> {
        let targets = self.binding.as_ref().map(|binding| binding.targets.as_slice()).unwrap_or_default();
        targets.iter().map(ToString::to_string).collect()
    }
}

/// The word for a source. The arguments of a command are its owner's business, and may be long.
fn source(secret: &SecretPolicy) -> &'static str {
    match &secret.source {
        None => "environment",
        Some(SecretSource::Store(kind)) => kind.as_str(),
        Some(SecretSource::Env { .. }) => "env",
        Some(SecretSource::Dotenv { .. }) => "dotenv",
        Some(SecretSource::Command { .. }) => "command",
        Some(SecretSource::Hashicorp(_)) => "hashicorp",
    }
}

fn as_json(rows: &[Row<'_>], workspace: &WorkspaceName) -> String {
    let mut text = String::new();
    for row in rows {
        let object = json!({
            "name": row.secret.name,
            "workspace": workspace,
            "source": source(row.secret),
            "service": row.service(),
            "hosts": row.hosts(),
            "set": row.set,
            "used": row.used,
        });
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{object}");
    }
    text
}

fn as_text(rows: &[Row<'_>], workspace: &WorkspaceName) -> String {
    if rows.is_empty() {
        return format!("The workspace `{workspace}` has no secrets yet: agentsecrets secrets set NAME\n");
    }
    let zone = TimeZone::system();
    let date = |time: Option<Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| zone.to_datetime(time).strftime("%Y-%m-%d %H:%M").to_string())
    };
    let name_width = rows.iter().map(|row| row.secret.name.as_str().len()).max().unwrap_or_default().max(4);
    let mut text = format!(
        "{:<name_width$}  {:<11}  {:<12}  {:<16}  {:<16}  HOSTS\n",
        "NAME", "SOURCE", "SERVICE", "SET", "LAST USED"
    );
    for row in rows {
        let hosts = row.hosts();
        let shown = match hosts.as_slice() {
            [] => "bound to none".to_owned(),
            [first] => first.clone(),
            [first, second] => format!("{first}, {second}"),
            [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
        };
        let _ = writeln!(
            text,
            "{:<name_width$}  {:<11}  {:<12}  {:<16}  {:<16}  {}",
            row.secret.name.as_str(),
            source(row.secret),
            row.service().unwrap_or("-"),
            date(row.set),
            date(row.used),
            plain(&shown)
        );
    }
    text
}
