//! What the integration tests stand on: [`run::Run`] starts the built program in a world of its own and checks every
//! run for leaks, [`upstream::Upstream`] stands for the internet and records what reached it.
#![allow(
    dead_code,
    unused_imports,
    reason = "two test binaries and the measurements share this module; each uses a part of it"
)]

pub(crate) mod apart;
pub(crate) mod console;
pub(crate) mod deadline;
pub(crate) mod finished;
pub(crate) mod leak;
pub(crate) mod place;
pub(crate) mod remains;
pub(crate) mod requirement;
pub(crate) mod run;
pub(crate) mod running;
pub(crate) mod snapshot;
pub(crate) mod tmux;
pub(crate) mod upstream;

pub(crate) use console::{Console, Session};
pub(crate) use finished::Finished;
pub(crate) use run::Run;
pub(crate) use running::Running;
pub(crate) use tmux::Tmux;
pub(crate) use upstream::Upstream;

/// Two lower-case digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A value that no other test uses, with a prefix that its service's keys have.
pub(crate) fn fresh_key(prefix: &str) -> String {
    let mut random = [0; 24];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let tail = random.iter().map(|byte| char::from(letters[usize::from(*byte) % letters.len()]));
    prefix.chars().chain(tail).collect()
}
