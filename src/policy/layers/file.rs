//! One policy file as it is written: every key checked, nothing judged yet.

use std::path::Path;

use super::error::{PolicyError, PolicyPlace};
use super::merged::{Inspect, Isolation, OnStray};
use super::reader::{At, Item, Source, Table};
use super::secret_table::{SecretTable, read_secret};
use super::source_table::{STORES, StoreKind};
use crate::policy::{DefaultEgress, FileGlob, HostError, Target};
use crate::secret::WorkspaceName;

/// A policy file; what it does not say is `None` or empty.
#[derive(Debug, Default)]
pub(super) struct PolicyFile {
    pub(super) isolation: Option<At<Isolation>>,
    pub(super) on_stray: Option<At<OnStray>>,
    pub(super) inspect: Option<At<Inspect>>,
    pub(super) default: Option<At<DefaultEgress>>,
    pub(super) allow: Vec<At<Target>>,
    pub(super) loopback: Vec<At<u16>>,
    pub(super) secrets: Vec<SecretTable>,
    pub(super) mask: Vec<At<FileGlob>>,
    pub(super) writable: Vec<At<String>>,
    pub(super) keep: Vec<At<String>>,
    pub(super) scrub: Vec<At<String>>,
    pub(super) workspace: Option<At<WorkspaceName>>,
    pub(super) store: Option<At<StoreKind>>,
}

const ROOT: &[&str] = &["egress", "env", "files", "inspect", "isolation", "on_stray", "secrets", "store", "workspace"];
const EGRESS: &[&str] = &["allow", "default", "loopback"];
const ENV: &[&str] = &["keep", "scrub"];
const FILES: &[&str] = &["mask", "writable"];
/// Every key with its table, for who writes one in the wrong place.
pub(super) const EVERYWHERE: &[&str] = &[
    "egress.allow",
    "egress.default",
    "egress.loopback",
    "env.keep",
    "env.scrub",
    "files.mask",
    "files.writable",
    "secrets.NAME.cache",
    "secrets.NAME.hosts",
    "secrets.NAME.inject",
    "secrets.NAME.plaintext",
    "secrets.NAME.rules",
    "secrets.NAME.scan",
    "secrets.NAME.service",
    "secrets.NAME.source",
    "isolation",
    "on_stray",
    "inspect",
    "store",
    "workspace",
];

impl PolicyFile {
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, PolicyError> {
        let source = Source::new(path, text);
        let document = source.parse()?;
        let mut file = Self::default();
        for (key, item) in Table::root(&source, document.get_ref()).items(ROOT, EVERYWHERE)? {
            match key {
                "egress" => file.read_egress(&item.table()?)?,
                "env" => file.read_env(&item.table()?)?,
                "files" => file.read_files(&item.table()?)?,
                "isolation" => file.isolation = Some(choice(&item, ISOLATIONS)?),
                "on_stray" => file.on_stray = Some(choice(&item, ON_STRAY)?),
                "inspect" => file.inspect = Some(choice(&item, INSPECT)?),
                "secrets" => {
                    for (name, item) in item.table()?.named_items() {
                        file.secrets.push(read_secret(name, &item)?);
                    }
                }
                "store" => file.store = Some(choice(&item, STORES)?),
                _ => file.workspace = Some(workspace(&item)?),
            }
        }
        Ok(file)
    }

    fn read_egress(&mut self, table: &Table<'_>) -> Result<(), PolicyError> {
        for (key, item) in table.items(EGRESS, EVERYWHERE)? {
            match key {
                "allow" => self.allow = targets(&item)?,
                "default" => self.default = Some(choice(&item, DEFAULTS)?),
                _ => self.loopback = item.ports()?,
            }
        }
        Ok(())
    }

    fn read_env(&mut self, table: &Table<'_>) -> Result<(), PolicyError> {
        for (key, item) in table.items(ENV, EVERYWHERE)? {
            match key {
                "keep" => self.keep = variables(&item)?,
                _ => self.scrub = variables(&item)?,
            }
        }
        Ok(())
    }

    fn read_files(&mut self, table: &Table<'_>) -> Result<(), PolicyError> {
        for (key, item) in table.items(FILES, EVERYWHERE)? {
            match key {
                "mask" => self.mask = item.texts()?.into_iter().map(file_glob).collect::<Result<_, _>>()?,
                _ => self.writable = directories(&item)?,
            }
        }
        Ok(())
    }
}

const DEFAULTS: &[(&str, DefaultEgress)] = &[("web", DefaultEgress::Web), ("allowlist", DefaultEgress::Allowlist)];
const ISOLATIONS: &[(&str, Isolation)] =
    &[("sealed", Isolation::Sealed), ("guarded", Isolation::Guarded), ("none", Isolation::None)];
const ON_STRAY: &[(&str, OnStray)] = &[("inert", OnStray::Inert), ("block", OnStray::Block)];
const INSPECT: &[(&str, Inspect)] = &[("bound", Inspect::Bound), ("all", Inspect::All)];

pub(super) fn choice<T: Copy>(item: &Item<'_>, choices: &[(&str, T)]) -> Result<At<T>, PolicyError> {
    let text = item.text()?;
    match choices.iter().find(|(name, _)| *name == text.value) {
        Some((_, value)) => Ok(text.map(|_| *value)),
        None => Err(PolicyError::Choice {
            place: text.place,
            key: item.name.clone(),
            value: text.value.escape_debug().to_string(),
            choices: choices.iter().map(|(name, _)| (*name).to_owned()).collect(),
        }),
    }
}

pub(super) fn targets(item: &Item<'_>) -> Result<Vec<At<Target>>, PolicyError> {
    item.texts()?.into_iter().map(|text| target(&text.value, &text.place)).collect()
}

/// Parses a target that a file or flag names.
pub(super) fn target(text: &str, place: &PolicyPlace) -> Result<At<Target>, PolicyError> {
    let parsed = if text.contains('/') {
        Err(HostError::Invalid { text: text.escape_debug().to_string() })
    } else {
        Target::parse(text)
    };
    match parsed {
        Ok(value) => Ok(At { value, place: place.clone() }),
        Err(source) => Err(PolicyError::Host { place: place.clone(), source }),
    }
}

fn file_glob(text: At<String>) -> Result<At<FileGlob>, PolicyError> {
    match FileGlob::parse(&text.value) {
        Ok(value) => Ok(At { value, place: text.place }),
        Err(source) => Err(PolicyError::File { place: text.place, source }),
    }
}

pub(super) fn variables(item: &Item<'_>) -> Result<Vec<At<String>>, PolicyError> {
    let names = item.texts()?;
    match names.iter().find(|name| !is_variable(&name.value)) {
        Some(name) => {
            Err(PolicyError::Value { place: name.place.clone(), key: item.name.clone(), why: NOT_A_VARIABLE })
        }
        None => Ok(names),
    }
}

/// Whether an environment can hold a variable called `name`; `*` is refused because it would be taken for a pattern.
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0', '*'])
}

pub(super) const NOT_A_VARIABLE: &str = "holds what is not the exact name of a variable";

fn directories(item: &Item<'_>) -> Result<Vec<At<String>>, PolicyError> {
    let paths = item.texts()?;
    match paths.iter().find(|path| !path.value.starts_with('/') && !path.value.starts_with("~/")) {
        Some(path) => Err(PolicyError::Value {
            place: path.place.clone(),
            key: item.name.clone(),
            why: "holds a path that starts neither with `/` nor with `~/`",
        }),
        None => Ok(paths),
    }
}

fn workspace(item: &Item<'_>) -> Result<At<WorkspaceName>, PolicyError> {
    let name = item.text()?;
    match WorkspaceName::new(name.value) {
        Ok(value) => Ok(At { value, place: name.place }),
        Err(source) => Err(PolicyError::Workspace { place: name.place, source }),
    }
}
