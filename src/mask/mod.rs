//! Which files are masked and what their masked bytes are.
//!
//! Rendering is pure: bytes and a decision a value in, bytes out. Finding is the only part that touches the disk: it
//! reads what is about to be masked, and what the sweep searches.
//!
//! **Invariants.** A rendered file is byte-equal to its original outside the values that were replaced. What cannot be
//! parsed without doubt about a replaced value is an error, and its caller hides the file whole (C1).

mod dotenv;
mod error;
mod find;
#[cfg(test)]
mod fuzz;
mod git_settings;
mod interpolation;
mod json;
mod merge;
mod site;
mod structured;

pub use dotenv::Dialect;
pub use error::MaskError;
pub use find::{
    Arrival, Awaited, Content, Findings, Found, HeldContent, Holder, LARGEST, LiveSweep, ProjectNames, Realm,
    Repository, Search, Sweep, Swept, Turn, Watch, Writable, find, names_of, second_mounts, sweep,
};
pub use git_settings::GitSettings;
pub use merge::{Masked, MergeError};
pub use site::{Literal, Place, Replacement, Site};

/// How the values of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// `NAME=value` lines.
    Dotenv(Dialect),
    /// JSON, with the comments and trailing commas that editors allow.
    Json,
    /// A file of another structure.
    Structured(Structure),
}

/// The structure of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Universal variables of fish.
    FishVariables,
    /// Git's configuration.
    GitConfig,
    /// URLs with user and password, one a line.
    GitCredentials,
    /// Sections of `key = value` lines.
    Ini,
    /// `machine` entries of names and passwords.
    Netrc,
    /// npm's settings.
    Npmrc,
    /// Variables of PAM.
    PamEnvironment,
    /// What is named as a key, and is hidden whole if it is one.
    Pem,
    /// `PostgreSQL`'s passwords.
    Pgpass,
    /// Java's properties.
    Properties,
    /// One credential and nothing else.
    Token,
    /// TOML.
    Toml,
    /// XML.
    Xml,
    /// YAML.
    Yaml,
    /// Settings of yarn's first version.
    Yarnrc,
}

/// Every structure, for tests that hold of all.
#[cfg(test)]
const ALL: [Structure; 15] = [
    Structure::FishVariables,
    Structure::GitConfig,
    Structure::GitCredentials,
    Structure::Ini,
    Structure::Netrc,
    Structure::Npmrc,
    Structure::PamEnvironment,
    Structure::Pem,
    Structure::Pgpass,
    Structure::Properties,
    Structure::Token,
    Structure::Toml,
    Structure::Xml,
    Structure::Yaml,
    Structure::Yarnrc,
];

/// Renders `bytes`, asking `decide` about every value and every stretch of free text, in the order of the file.
///
/// `decide` may be called before an error is found; what it recorded until then stays right, since it saw real values.
pub fn render(
    notation: Notation,
    bytes: &[u8],
    decide: &mut dyn FnMut(&Site<'_>) -> Replacement,
) -> Result<Vec<u8>, MaskError> {
    match notation {
        Notation::Dotenv(dialect) => dotenv::render(dialect, bytes, decide),
        Notation::Json => json::render(bytes, decide),
        Notation::Structured(structure) => structured::render(structure, bytes, decide),
    }
}
