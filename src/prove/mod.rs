//! `prove`: the attacks of the escape suite on this machine, against real runs, with canaries in place of secrets.
//!
//! Every attack is tried twice with the same code: outside of a run, where it must win, and inside one, where it must not.
//! A row whose control did not win proves nothing and is never counted.
//!
//! **Invariants.** Nothing of the user's is planted in, read or changed: the runs have a home, a project and a
//! configuration of their own below the state directory. Listeners are on this machine's own addresses, and answer nobody
//! else. What is planted elsewhere (shared folders, a shared memory segment, an item in an open keychain) has a name of its own, and a process that
//! outlives this one for as long as it takes to remove everything, whatever death this one dies (L1).

mod batch;
mod card;
mod host;
mod judge;
mod keeper;
mod planted;
mod stage;

use std::io;
use std::path::PathBuf;

use nix::unistd::geteuid;

use crate::secret::{Alphabet, Placeholder, Shape};
use crate::world::World;

pub use card::{as_json, as_text};
pub use judge::{Row, Seen, Verdict};
pub use keeper::{KEEPER_VERB, keep};

/// A level of isolation, as `run` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `sealed`.
    Sealed,
    /// `guarded`.
    Guarded,
}

impl Level {
    /// Its word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Guarded => "guarded",
        }
    }
}

/// Why nothing could be proven.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The state directory cannot be worked in.
    #[error("{path}: cannot plant canaries there")]
    Place {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No listener on this machine's own addresses.
    #[error("cannot listen on this machine's loopback")]
    Listen(#[source] io::Error),
    /// A process could not be started or waited for.
    #[error("cannot start this program anew")]
    Start(#[source] io::Error),
    /// The system's random source.
    #[error("the system gave no random bytes")]
    Random(#[from] aws_lc_rs::error::Unspecified),
    /// The run did not start: what it said.
    #[error("the run that was to be attacked did not start (status {status}):\n{said}")]
    Refused {
        /// Its status.
        status: i32,
        /// Its words.
        said: String,
    },
}

/// What was proven.
#[derive(Debug)]
pub struct Report {
    /// At which level.
    pub level: Level,
    /// As which user.
    pub uid: u32,
    /// Every attack, in the order of the groups.
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether at least one attack was stopped, none won but those that this level is said to leave open, all of those did,
    /// and no control failed.
    pub fn is_good(&self) -> bool {
        let count = |verdict: Verdict| self.rows.iter().filter(|row| row.verdict() == verdict).count();
        let bad = [Verdict::Escaped, Verdict::NoControl, Verdict::Stale];
        count(Verdict::Held) > 0 && bad.into_iter().map(count).sum::<usize>() == 0
    }
}

/// Plants, attacks outside and inside, removes what was planted and says what came of it. `landlock` is the version that
/// runs have here, 0 where there is none.
pub fn prove(world: &World, level: Level, landlock: u32) -> Result<Report, ProveError> {
    let host = host::Host::listen().map_err(ProveError::Listen)?;
    let ground = planted::Ground::new(world, &host)?;
    let is_root = geteuid().is_root();
    let mut rows = Vec::new();
    let scope = batch::Scope {
        level,
        landlock,
        is_root,
        has_v6: host.has_v6,
        no_keychain: ground.no_keychain(),
        place: ground.place(),
    };
    for batch in scope.batches() {
        rows.extend(stage::try_batch(world, &host, &ground, scope, &batch)?);
    }
    rows.extend(scope.impossible());
    rows.sort_by_key(|row| row.group);
    Ok(Report { level, uid: world.user.uid, rows })
}

/// A text that nothing else carries.
fn fresh() -> Result<String, ProveError> {
    let shape = Shape { prefix: String::new(), alphabet: Alphabet::Base62, length: 24, tail: String::new() };
    Ok(Placeholder::mint(&shape)?.as_str().to_owned())
}
