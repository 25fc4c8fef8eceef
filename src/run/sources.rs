//! The sources of this machine and user, each opened when its first value is asked for.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::RunError;
use crate::mask::{self, Dialect, Notation, Place, Replacement};
use crate::policy::{self, Cache, SecretPolicy, SecretSource, StoreKind};
use crate::report;
use crate::secret::{Secret, SecretName, WorkspaceName, reference_to, referred};
use crate::source::{
    Captured, CommandSource, Deferred, FileStore, Key, Keychain, PASSED, Passphrase, Source, SourceError, Store,
    Surroundings,
};
use crate::world::World;

/// How long a keychain has when nobody can be asked to unlock it.
const KEYCHAIN: Duration = Duration::from_secs(10);
/// How long it has when its dialogue can be shown.
const KEYCHAIN_WITH_DIALOGUE: Duration = Duration::from_secs(90);
/// How long a program has to print a value; it may ask its user for a finger.
const COMMAND: Duration = Duration::from_mins(1);
/// The most bytes of a dotenv file.
const LARGEST_DOTENV: u64 = 1 << 20;

/// The stores and sources of the user.
pub struct Sources<'a> {
    world: &'a World,
    file: Arc<FileStore>,
    keychain: Arc<Keychain>,
}

impl<'a> Sources<'a> {
    /// All of them; nothing is opened yet.
    pub fn new(world: &'a World) -> Self {
        let has_display = ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| world.variable(name).is_some_and(|value| !value.is_empty()));
        let keychain = Keychain::new(if has_display { KEYCHAIN_WITH_DIALOGUE } else { KEYCHAIN });
        let text = |name: &str| world.variable(name).and_then(OsStr::to_str);
        let given = world.variable("AGENTSECRETS_PASSPHRASE").map(|given| Secret::new(given.as_bytes().to_vec()));
        let descriptor = text("AGENTSECRETS_PASSPHRASE_FD").map(|number| number.parse().unwrap_or(u32::MAX));
        let mut passphrase = Passphrase::default().given(given).on_descriptor(descriptor);
        if world.terminal.input {
            passphrase = passphrase.or_ask(|| report::prompt("Passphrase of the store: "));
        }
        let identity = world.variable("AGENTSECRETS_IDENTITY").filter(|path| !path.is_empty()).map(PathBuf::from);
        let file = FileStore::new(world.state_directory.join("store"), identity, passphrase);
        Self { world, file: Arc::new(file), keychain: Arc::new(keychain) }
    }

    /// The encrypted file.
    pub fn file(&self) -> &FileStore {
        &self.file
    }

    /// The keychain.
    pub fn keychain(&self) -> &Keychain {
        &self.keychain
    }

    /// A store.
    pub fn store(&self, kind: StoreKind) -> &dyn Store {
        match kind {
            StoreKind::Keychain => &*self.keychain,
            StoreKind::File => &*self.file,
        }
    }

    /// The value of the secret `name`, from where policy says.
    pub fn fetch(
        &self,
        workspace: &WorkspaceName,
        name: &SecretName,
        source: &SecretSource,
    ) -> Result<Secret, RunError> {
        let key = Key { workspace: workspace.clone(), name: name.clone() };
        self.source(name, source)?.fetch(&key).map_err(|source| RunError::Fetch { name: name.clone(), source })
    }

    /// The same, to be fetched when it is used.
    pub(super) fn deferred(
        &self,
        workspace: &WorkspaceName,
        secret: &SecretPolicy,
        source: &SecretSource,
    ) -> Result<Deferred, RunError> {
        let name = &secret.name;
        let asked = self.source(name, source)?;
        asked.prepare().map_err(|source| RunError::Fetch { name: name.clone(), source })?;
        let lifetime = match secret.cache {
            None | Some(Cache::Run) => None,
            Some(Cache::For(time)) => Some(time),
        };
        let key = Key { workspace: workspace.clone(), name: name.clone() };
        Ok(Deferred::new(key, asked, lifetime))
    }

    /// What policy names, ready to be asked for the secret `name`; no store is opened yet.
    fn source(&self, name: &SecretName, source: &SecretSource) -> Result<Arc<dyn Source>, RunError> {
        Ok(match source {
            SecretSource::Store(StoreKind::Keychain) => Arc::clone(&self.keychain) as Arc<dyn Source>,
            SecretSource::Store(StoreKind::File) => Arc::clone(&self.file) as Arc<dyn Source>,
            SecretSource::Env { variable } => Arc::new(self.environment(variable.as_deref().unwrap_or(name.as_str()))),
            SecretSource::Dotenv { path, key } => Arc::new(Dotenv {
                path: super::absolute(self.world, path),
                key: key.clone().unwrap_or_else(|| name.to_string()),
            }),
            SecretSource::Command { argv, environment } => {
                Arc::new(CommandSource::new(argv.clone(), self.surroundings(environment), COMMAND))
            }
            SecretSource::Hashicorp(at) => {
                let server = super::hashicorp::source(self.world, at);
                Arc::new(server.map_err(|error| error.of(name))?)
            }
        })
    }

    /// A variable of the user's own environment, as a source.
    pub fn environment(&self, variable: &str) -> Captured {
        let value = self.world.variable(variable).map(|value| Secret::new(value.as_bytes().to_vec()));
        let values: BTreeMap<_, _> = value.map(|value| (variable.to_owned(), value)).into_iter().collect();
        Captured::new("the environment", values).called(variable)
    }

    fn surroundings(&self, needed: &[String]) -> Surroundings {
        let project = self.world.project();
        let path = self.world.variable("PATH").unwrap_or_default();
        let trusted = |directory: &PathBuf| directory.is_absolute() && !directory.starts_with(&project);
        let path: Vec<PathBuf> = std::env::split_paths(path).filter(trusted).collect();
        let names = PASSED.iter().copied().chain(needed.iter().map(String::as_str));
        let variable = |name: &str| Some((OsString::from(name), self.world.variable(name)?.to_owned()));
        let mut environment: Vec<(OsString, OsString)> = names.filter_map(variable).collect();
        // A name with a colon in it cannot be written in `PATH`; such a directory is left out.
        environment.extend(std::env::join_paths(&path).ok().map(|path| ("PATH".into(), path)));
        Surroundings { path, environment, distrusted: vec![project], redact: policy::without_keys }
    }
}

/// One key of a dotenv file, which is read whenever its value is asked for.
#[derive(Debug)]
struct Dotenv {
    path: PathBuf,
    key: String,
}

impl Source for Dotenv {
    fn title(&self) -> String {
        format!("`{}`", self.path.display())
    }

    fn fetch(&self, key: &Key) -> Result<Secret, SourceError> {
        let values = dotenv(&self.path).map_err(|error| {
            let source = std::io::Error::other(match std::error::Error::source(&error) {
                Some(cause) => cause.to_string(),
                None => error.to_string(),
            });
            SourceError::Disk { path: self.path.clone(), doing: "read it", source }
        })?;
        Captured::new(self.title(), values).called(self.key.as_str()).fetch(key)
    }
}

/// The values of a dotenv file by their keys, as its readers take them; those that refer to others are left out.
pub fn dotenv(path: &Path) -> Result<BTreeMap<String, Secret>, RunError> {
    let failed = |source| RunError::ReadDotenv { path: path.to_owned(), source };
    let bytes = mask_read(path).map_err(failed)?;
    let mut values = BTreeMap::new();
    let read = mask::render(Notation::Dotenv(Dialect::Dotenv), &bytes, &mut |site| {
        if site.place == Place::Value && !site.is_interpolated() && referred(site.value).is_none() {
            let key = String::from_utf8_lossy(site.key).into_owned();
            values.insert(key, Secret::new(site.value.to_vec()));
        }
        Replacement::Keep
    });
    // What was rendered is the file itself, with its values.
    drop(zeroize::Zeroizing::new(read.map_err(crate::plan::PlanError::from)?));
    Ok(values)
}

/// What takes the place of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// `agentsecrets:NAME`.
    ByReference,
    /// An empty value.
    ByNothing,
}

/// A dotenv file as it is, and the same without the values of `names`; comments, order and quotes stay.
pub fn without_values(path: &Path, names: &[&SecretName], with: Replaced) -> Result<(Secret, Secret), RunError> {
    let failed = |source| RunError::ReadDotenv { path: path.to_owned(), source };
    let bytes = mask_read(path).map_err(failed)?;
    let after = mask::render(Notation::Dotenv(Dialect::Dotenv), &bytes, &mut |site| {
        let name = names.iter().find(|name| name.as_str().as_bytes() == site.key);
        match name.filter(|_| site.place == Place::Value && !site.is_interpolated()) {
            None => Replacement::Keep,
            Some(_) if referred(site.value).is_some() => Replacement::Keep,
            Some(name) if with == Replaced::ByReference => Replacement::Whole(reference_to(name)),
            Some(_) => Replacement::Whole(String::new()),
        }
    });
    let after = after.map_err(crate::plan::PlanError::from)?;
    Ok((Secret::new(bytes.to_vec()), Secret::new(after)))
}

fn mask_read(path: &Path) -> std::io::Result<zeroize::Zeroizing<Vec<u8>>> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LARGEST_DOTENV {
        return Err(std::io::Error::other("not a regular file of at most a megabyte"));
    }
    let mut bytes =
        zeroize::Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1));
    file.take(LARGEST_DOTENV).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl From<SourceError> for RunError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}
