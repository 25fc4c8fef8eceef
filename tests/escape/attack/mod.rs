//! The attacker: this binary again, started inside a run as its command. Each attack says `won:` and what it got, or
//! `lost:` and why.

mod files;
mod kernel;
mod mounts;
mod network;
mod processes;
mod terminals;

pub(crate) use files::handle_of;

use std::ffi::CString;
use std::io;
use std::process::ExitCode;

/// What an attack got, or what stopped it.
pub(crate) type Outcome = Result<String, String>;

/// An attack, as the attacker runs it. The argument is a text that no other attack carries.
pub(crate) type Act = fn(&str) -> Outcome;

/// Every attack by its name.
pub(crate) const ATTACKS: &[&[(&str, Act)]] =
    &[network::ATTACKS, files::ATTACKS, kernel::ATTACKS, mounts::ATTACKS, processes::ATTACKS, terminals::ATTACKS];

/// The attack of that name.
pub(crate) fn find(name: &str) -> Option<Act> {
    ATTACKS.iter().flat_map(|room| room.iter()).find(|(known, _)| *known == name).map(|(_, act)| *act)
}

/// Attacks, and says what came of it: status 0 when won, 1 when lost.
pub(crate) fn act(name: &str, mark: &str) -> ExitCode {
    let Some(act) = find(name) else {
        println!("no such attack: {name}");
        return ExitCode::from(2);
    };
    match act(mark) {
        Ok(evidence) => {
            println!("won: {evidence}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("lost: {reason}");
            ExitCode::from(1)
        }
    }
}

/// A system call by its number, past every library.
fn call(number: i64, arguments: &[usize]) -> io::Result<i64> {
    let argument = |place: usize| arguments.get(place).copied().unwrap_or(0);
    // SAFETY: an attack passes pointers to memory that outlives the call, or addresses that the kernel shall refuse.
    let result =
        unsafe { libc::syscall(number, argument(0), argument(1), argument(2), argument(3), argument(4), argument(5)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The attack's word for an error.
fn why(doing: &str) -> impl Fn(io::Error) -> String + '_ {
    move |error| format!("{doing}: {error}")
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// Whether bytes hold the value that the suite looks for. The value is given backwards, so that it is not on the
/// attacker's own command line.
fn holds_secret(bytes: &[u8]) -> bool {
    let Some(backwards) = std::env::var_os("TARGET_BACKWARDS") else { return false };
    let mut value = backwards.into_encoded_bytes();
    value.reverse();
    memchr::memmem::find(bytes, &value).is_some()
}
