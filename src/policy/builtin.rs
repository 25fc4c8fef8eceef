//! The rules that ship in the binary: every file under `policies/`, embedded and parsed once, when first asked for.
//!
//! The build script embeds them as JSON: to read them as TOML took a third of the time in which a run is planned.
//!
//! **Invariants.** A file that does not parse is found by this room's tests; were one ever to ship all the same,
//! [`verify`] reports it and no run starts (C1).

use std::sync::LazyLock;
use std::thread::{self, JoinHandle};

use serde::de::DeserializeOwned;

use super::agents::Agents;
use super::catalogue::Catalogue;
use super::files::FileRules;
use super::scrub::ScrubRules;
use super::trust::TrustRules;

/// The text of an embedded file, named without its ending.
macro_rules! embedded {
    ($name:expr) => {
        include_str!(concat!(env!("OUT_DIR"), "/policies/", $name, ".json"))
    };
}
pub(super) use embedded;

/// An embedded file that is not what its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policies/{file}: {message}")]
pub struct BuiltinError {
    /// Its path below `policies/`.
    pub file: String,
    /// What the parser said.
    pub message: String,
}

static CATALOGUE: LazyLock<Result<Catalogue, BuiltinError>> = LazyLock::new(Catalogue::load);
static SCRUB: LazyLock<Result<ScrubRules, BuiltinError>> = LazyLock::new(|| parse("scrub.toml", embedded!("scrub")));
static AGENTS: LazyLock<Result<Agents, BuiltinError>> = LazyLock::new(Agents::load);
static FILES: LazyLock<Result<FileRules, BuiltinError>> = LazyLock::new(|| {
    let general: FileRules = parse("files.toml", embedded!("files"))?;
    let agents = AGENTS.as_ref().map_err(Clone::clone)?;
    Ok(general.with(agents.iter().map(|agent| &agent.additions)))
});
static TRUST: LazyLock<Result<TrustRules, BuiltinError>> = LazyLock::new(|| parse("trust.toml", embedded!("trust")));

/// The services whose credentials are brokered without configuration.
pub fn catalogue() -> &'static Catalogue {
    static EMPTY: LazyLock<Catalogue> = LazyLock::new(Catalogue::default);
    CATALOGUE.as_ref().unwrap_or_else(|_| &EMPTY)
}

/// Which variables are secret.
pub fn scrub_rules() -> &'static ScrubRules {
    static EMPTY: LazyLock<ScrubRules> = LazyLock::new(ScrubRules::default);
    SCRUB.as_ref().unwrap_or_else(|_| &EMPTY)
}

/// The agents that are known by name.
pub fn agents() -> &'static Agents {
    static EMPTY: LazyLock<Agents> = LazyLock::new(Agents::default);
    AGENTS.as_ref().unwrap_or_else(|_| &EMPTY)
}

/// Which files are hidden, rendered, guarded or writable.
pub fn file_rules() -> &'static FileRules {
    static EMPTY: LazyLock<FileRules> = LazyLock::new(FileRules::default);
    FILES.as_ref().unwrap_or_else(|_| &EMPTY)
}

/// How clients are told of the run's CA and proxy.
pub fn trust_rules() -> &'static TrustRules {
    static EMPTY: LazyLock<TrustRules> = LazyLock::new(TrustRules::default);
    TRUST.as_ref().unwrap_or_else(|_| &EMPTY)
}

/// `text` without what has the form of a key: fit to be shown.
pub fn without_keys(text: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len());
    let mut copied = 0;
    for found in catalogue().keys_within(text) {
        shown.extend_from_slice(&text[copied..found.range.start]);
        shown.extend_from_slice(b"[redacted]");
        copied = found.range.end;
    }
    shown.extend_from_slice(&text[copied..]);
    shown
}

/// Parses every embedded file and says which one is broken. [`super::Layers::begin`] asks before it does anything.
pub fn verify() -> Result<(), BuiltinError> {
    CATALOGUE.as_ref().map_err(Clone::clone)?;
    SCRUB.as_ref().map_err(Clone::clone)?;
    AGENTS.as_ref().map_err(Clone::clone)?;
    FILES.as_ref().map_err(Clone::clone)?;
    TRUST.as_ref().map_err(Clone::clone)?;
    Ok(())
}

/// Parses the same beforehand, on a thread of its own. What is wrong [`verify`] says; it begins at the other end, so that
/// it parses what is not reached here. `None` where there can be no thread: then it parses everything.
pub fn prepare() -> Option<JoinHandle<()>> {
    let prepare = || {
        LazyLock::force(&FILES);
        LazyLock::force(&TRUST);
        LazyLock::force(&SCRUB);
        LazyLock::force(&CATALOGUE);
    };
    thread::Builder::new().name("policies".into()).spawn(prepare).ok()
}

/// Parses one embedded file.
pub(super) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, BuiltinError> {
    serde_json::from_str(text).map_err(|error| BuiltinError { file: file.to_owned(), message: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_file_parses() {
        verify().unwrap();
    }

    #[test]
    fn a_broken_file_names_itself_and_the_place() {
        let error = parse::<TrustRules>("trust.toml", "{\"bundle\": [\n  1\n]}").unwrap_err();
        assert!(error.to_string().starts_with("policies/trust.toml: "), "{error}");
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
