//! The attacks: what a hostile child tries to read a secret or to get away, with raw system calls. `prove` and the escape
//! suite run the same code, inside a run and, as the control, outside of one.
//!
//! **Invariants.** An attack does its worst and judges nothing: it says what it got, or what stopped it; whether a mark
//! arrived somewhere is for the host to say. Attacks know where to aim from a file, and look at nothing else of the user's.
//! Nothing here is ever called in the process that holds values.

mod accomplice;
mod aim;
mod driver;
mod exhaustion;
mod files;
mod kernel;
mod keychain;
mod mounts;
mod network;
mod own;
mod processes;
mod sockets;
mod start;
mod terminals;
mod trial;
mod trials;

pub use accomplice::Accomplice;
pub use aim::{Aim, Keychain};
pub use driver::{ATTACK_VERB, Found, main};
pub use files::handle_of;
pub use kernel::plant_segment;
pub use keychain::{bus_address, is_unlocked};
pub use own::KEPT;
pub use sockets::HELPER;
pub use terminals::ROWS;
pub use trial::{Control, Evidence, Group, Need, Opening, Start, Trial, Who};
pub use trials::TRIALS;

use std::ffi::CString;
use std::io;

use nix::unistd::Pid;

use crate::sys::attempt::{self, Argument};

/// What an attack got, or what stopped it.
pub type Outcome = Result<String, String>;

/// What an attack is given.
#[derive(Debug)]
pub struct Scene<'a> {
    /// A text that no other attack carries.
    pub mark: &'a str,
    /// Where everything is.
    pub aim: &'a Aim,
    /// The process that started the attacker.
    pub parent: Pid,
}

/// An attack, as the attacker runs it.
pub type Act = fn(&Scene) -> Outcome;

/// Every attack by its name.
const ATTACKS: &[&[(&str, Act)]] = &[
    network::ATTACKS,
    sockets::ATTACKS,
    files::ATTACKS,
    keychain::ATTACKS,
    exhaustion::ATTACKS,
    kernel::ATTACKS,
    mounts::ATTACKS,
    processes::ATTACKS,
    own::ATTACKS,
    terminals::ATTACKS,
];

/// The attack of that name.
pub fn find(name: &str) -> Option<Act> {
    ATTACKS.iter().flat_map(|room| room.iter()).find(|(known, _)| *known == name).map(|(_, act)| *act)
}

fn call(number: i64, arguments: Vec<Argument>) -> io::Result<i64> {
    attempt::call(number, arguments)
}

fn number(number: impl Into<i64>) -> Argument<'static> {
    Argument::Number(number.into())
}

/// The attack's word for an error, of the standard library or of nix.
fn why<E: std::fmt::Display>(doing: &str) -> impl Fn(E) -> String + '_ {
    move |error| format!("{doing}: {error}")
}

fn terminated(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(why("a text"))
}

/// A variable of this process, as the kernel keeps it.
fn variable(name: &str) -> Option<String> {
    let all = std::fs::read("/proc/self/environ").ok()?;
    let mut entries = all.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    entries.find_map(|entry| entry.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}
