//! Ends all that lies below a process that adopts its descendants' orphans (`PR_SET_CHILD_SUBREAPER`).
//!
//! From version 6 of Landlock on one call does it: out of the caller's own domain no signal goes, so "everybody" is the
//! tree, and the kernel lets nobody fork while it signals. Before that the tree is looked up in /proc and signalled
//! process by process, until there is nobody left to wait for.

use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::sys::process;

/// Between two looks at processes that are about to end.
const PAUSE: Duration = Duration::from_micros(500);

/// How a tree is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The caller's domain keeps its signals in.
    Domain,
    /// By looking.
    Lookup,
}

/// Returns when no descendant is left.
pub(super) fn end(reach: Reach) -> io::Result<()> {
    loop {
        match reach {
            Reach::Domain => {
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            }
            Reach::Lookup => {
                for process in descendants(std::process::id())? {
                    // Gone already is what was wanted.
                    let _ = kill(process, Signal::SIGKILL);
                }
            }
        }
        loop {
            match process::reap() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        sleep(PAUSE);
    }
}

/// Returns when no descendant is left but `spared`, a child that has none of its own.
///
/// A list without any is the truth: a process that is not on it yet stands below one that is, and what has ended stays on
/// it until it was waited for here.
pub(super) fn end_others(spared: Option<u32>) -> io::Result<()> {
    loop {
        let mut left = descendants(std::process::id())?;
        left.retain(|process| spared != Some(process.as_raw().unsigned_abs()));
        if left.is_empty() {
            return Ok(());
        }
        for process in left {
            // Gone already, or still another process's child: the next look tells.
            let _ = kill(process, Signal::SIGKILL);
            let _ = waitpid(process, Some(WaitPidFlag::WNOHANG));
        }
        sleep(PAUSE);
    }
}

/// Every process below `ancestor`.
fn descendants(ancestor: u32) -> io::Result<Vec<Pid>> {
    let mut parents: Vec<(u32, u32)> = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(parent) = fs::read(entry.path().join("stat")).ok().as_deref().and_then(parent_of) {
            parents.push((number, parent));
        }
    }
    Ok(below(&parents, ancestor)
        .into_iter()
        .filter_map(|number| Some(Pid::from_raw(i32::try_from(number).ok()?)))
        .collect())
}

/// The fourth field of `proc_pid_stat(5)`; the second, a name in parentheses, may hold anything.
fn parent_of(stat: &[u8]) -> Option<u32> {
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    std::str::from_utf8(&stat[after + 1..]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The numbers below `ancestor`, from pairs of number and parent.
fn below(parents: &[(u32, u32)], ancestor: u32) -> Vec<u32> {
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(
            parents.iter().filter(|(number, of)| *of == parent && *number != parent).map(|(number, _)| *number),
        );
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_whole_tree() {
        let parents = [(1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 2), (7, 5)];
        assert_eq!(below(&parents, 2), [3, 6, 4]);
        assert!(below(&parents, 7).is_empty());
    }

    #[test]
    fn reads_the_parent_past_any_name() {
        assert_eq!(parent_of(b"12 (a) b) 7 (c) S 34 5 6\n"), Some(34));
        assert_eq!(parent_of(b"12 (sh) S"), None);
        assert_eq!(parent_of(b""), None);
        assert_eq!(parent_of(&fs::read("/proc/self/stat").unwrap()), Some(std::os::unix::process::parent_id()));
    }
}
