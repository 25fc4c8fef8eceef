//! Mechanisms left out on purpose, so that the escape suite can show that each of them earns its place.
//!
//! **Invariant.** Without the cargo feature `leave-out` nothing can be left out: the set has no content and no parser.

use std::ffi::OsString;
use std::io;

use super::mechanism::Mechanism;

/// The mechanisms that this stage leaves out: none, except in a test-only build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut {
    #[cfg(feature = "leave-out")]
    mechanisms: Vec<Mechanism>,
    /// What Landlock knows from a later version on.
    #[cfg(feature = "leave-out")]
    landlock: Option<u32>,
}

/// What stands before the version in the name of such a kernel: `landlock-until-3`.
#[cfg(feature = "leave-out")]
const UNTIL: &str = "landlock-until-";

impl LeftOut {
    /// Whether `mechanism` is left out.
    #[cfg(not(feature = "leave-out"))]
    #[expect(clippy::unused_self, reason = "a build with the feature looks into the set")]
    pub(super) fn has(&self, _: Mechanism) -> bool {
        false
    }

    /// Whether `mechanism` is left out.
    #[cfg(feature = "leave-out")]
    pub(super) fn has(&self, mechanism: Mechanism) -> bool {
        self.mechanisms.contains(&mechanism)
    }

    /// The version of Landlock where the kernel has `version`; 0 is none at all.
    #[cfg(not(feature = "leave-out"))]
    #[expect(clippy::unused_self, reason = "a build with the feature looks into the set")]
    pub(super) fn landlock(&self, version: u32) -> u32 {
        version
    }

    /// The version of Landlock where the kernel has `version`; 0 is none at all.
    #[cfg(feature = "leave-out")]
    pub(super) fn landlock(&self, version: u32) -> u32 {
        self.landlock.map_or(version, |last| version.min(last))
    }

    /// The set as the stage's command line carries it.
    #[cfg(not(feature = "leave-out"))]
    pub fn argument(&self) -> String {
        String::new()
    }

    /// The set as the stage's command line carries it.
    #[cfg(feature = "leave-out")]
    pub fn argument(&self) -> String {
        let names = self.mechanisms.iter().map(|mechanism| mechanism.name().to_owned());
        names.chain(self.landlock.map(|last| format!("{UNTIL}{last}"))).collect::<Vec<_>>().join(",")
    }

    /// The set that the stage's command line carries.
    #[cfg(not(feature = "leave-out"))]
    pub(super) fn from_argument(argument: Option<OsString>) -> io::Result<Self> {
        match argument {
            Some(argument) if !argument.is_empty() => Err(io::ErrorKind::InvalidInput.into()),
            _ => Ok(Self {}),
        }
    }

    /// The set that the stage's command line carries.
    #[cfg(feature = "leave-out")]
    pub(super) fn from_argument(argument: Option<OsString>) -> io::Result<Self> {
        let argument = argument.unwrap_or_default().into_string().map_err(|_| io::ErrorKind::InvalidInput)?;
        Self::parse(&argument).map_err(io::Error::other)
    }

    /// Reads a comma-separated list of names; an unknown name is given back as the error.
    #[cfg(feature = "leave-out")]
    pub fn parse(list: &str) -> Result<Self, String> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let mut set = Self::default();
        for name in names {
            match (Mechanism::parse(name), name.strip_prefix(UNTIL).and_then(|version| version.parse().ok())) {
                (Some(mechanism), _) => set.mechanisms.push(mechanism),
                (None, Some(version)) => set.landlock = Some(version),
                (None, None) => return Err(name.to_owned()),
            }
        }
        Ok(set)
    }
}
