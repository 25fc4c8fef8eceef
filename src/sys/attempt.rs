//! System calls past every library, for the attacks that ship in this program: what a hostile child would try.
//!
//! **Invariants.** Only the calls of a fixed list are made, each with arguments of the kinds that its row names: the kernel
//! writes to no memory but to pages that were handed in for it, whatever numbers come with them. What an attempt is worth
//! is not decided here.

use std::ffi::CStr;
use std::io;

use libc::c_long;

use super::check;

/// What the kernel may write to. No call of the list writes more than a page.
pub type Page = [u8; 4096];

/// One argument of a call.
#[derive(Debug)]
pub enum Argument<'a> {
    /// A number, a flag, a descriptor.
    Number(i64),
    /// A terminated text that the kernel reads.
    Text(&'a CStr),
    /// Bytes that the kernel reads.
    Bytes(&'a [u8]),
    /// Memory that the kernel writes.
    Page(&'a mut Page),
    /// The length of that memory.
    Length,
}

impl Argument<'_> {
    fn kind(&self) -> u8 {
        match self {
            Self::Number(_) => b'n',
            Self::Text(_) => b't',
            Self::Bytes(_) => b'b',
            Self::Page(_) => b'p',
            Self::Length => b'l',
        }
    }

    fn word(&mut self) -> c_long {
        let address = match self {
            Self::Number(number) => return *number,
            Self::Text(text) => text.as_ptr().expose_provenance(),
            Self::Bytes(bytes) => bytes.as_ptr().expose_provenance(),
            Self::Page(page) => page.as_mut_ptr().expose_provenance(),
            Self::Length => size_of::<Page>(),
        };
        c_long::try_from(address).unwrap_or(0)
    }
}

/// A call: its number, an argument that has to have this value in its low 32 bits, and the kinds of all arguments.
type Known = (c_long, Option<(usize, i64)>, &'static str);

/// The bit of system calls by the x32 table.
pub const X32: c_long = 0x4000_0000;

const KNOWN: &[Known] = &[
    (X32 | libc::SYS_getppid, None, ""),
    (libc::SYS_io_uring_setup, None, "np"),
    // keyctl(2): join a session, set permissions, search, read.
    (libc::SYS_keyctl, Some((0, 1)), "nn"),
    (libc::SYS_keyctl, Some((0, 5)), "nnn"),
    (libc::SYS_keyctl, Some((0, 10)), "nnttn"),
    (libc::SYS_keyctl, Some((0, 11)), "nnpl"),
    (libc::SYS_add_key, None, "ttbnn"),
    (libc::SYS_userfaultfd, None, "n"),
    (libc::SYS_fanotify_init, None, "nn"),
    // Loads a program.
    (libc::SYS_bpf, Some((0, 5)), "nbn"),
    (libc::SYS_perf_event_open, None, "bnnnn"),
    (libc::SYS_shmget, None, "nnn"),
    // The kernel chooses the address.
    (libc::SYS_shmat, Some((1, 0)), "nnn"),
    // Removes a segment.
    (libc::SYS_shmctl, Some((1, 0)), "nnn"),
    // Reads the kernel's log.
    (libc::SYS_syslog, Some((0, 3)), "npl"),
    // PTRACE_SEIZE.
    (libc::SYS_ptrace, Some((0, 0x4206)), "nnnn"),
    (libc::SYS_pidfd_open, None, "nn"),
    (libc::SYS_pidfd_getfd, None, "nnn"),
    (libc::SYS_ioctl, Some((1, 0x5412)), "nnb"),
    // TIOCSCTTY.
    (libc::SYS_ioctl, Some((1, 0x540e)), "nnn"),
    (libc::SYS_name_to_handle_at, None, "ntppn"),
    (libc::SYS_open_by_handle_at, None, "npn"),
    (libc::SYS_open_tree, None, "ntn"),
    (libc::SYS_socket, None, "nnn"),
];

/// Makes a call of the list. One that is not on it is `ENOSYS`, and nothing is done.
pub fn call(number: c_long, mut arguments: Vec<Argument>) -> io::Result<i64> {
    let is_known = KNOWN.iter().any(|(known, fixed, kinds)| {
        let has = |(place, value): (usize, i64)| match arguments.get(place) {
            Some(Argument::Number(given)) => given & 0xffff_ffff == value,
            _ => false,
        };
        *known == number && fixed.is_none_or(has) && kinds.bytes().eq(arguments.iter().map(Argument::kind))
    });
    if !is_known {
        return Err(io::Error::from_raw_os_error(libc::ENOSYS));
    }
    let words: Vec<c_long> = arguments.iter_mut().map(Argument::word).collect();
    let word = |place: usize| words.get(place).copied().unwrap_or(0);
    // SAFETY: the call is on the list with arguments of these kinds, so that it reads texts and bytes, which live through
    // it, and writes to pages alone, which are borrowed for it and larger than anything it writes.
    check(unsafe { libc::syscall(number, word(0), word(1), word(2), word(3), word(4), word(5)) })
}

/// `getpid` by the gate of 32-bit programs, where it has the number 20 and a filter of native calls does not look: the
/// process's number, or `errno` as a negative one.
#[cfg(target_arch = "x86_64")]
pub fn process_by_foreign_gate() -> i64 {
    let mut number: i64 = 20;
    // SAFETY: getpid takes nothing and touches no memory; the gate clobbers r8 to r11.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") number, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    number
}

/// Other processors have no such gate.
#[cfg(not(target_arch = "x86_64"))]
pub fn process_by_foreign_gate() -> i64 {
    -i64::from(libc::ENOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_no_call_that_is_not_listed_as_it_is() {
        let mut page = [0; 4096];
        for (number, arguments) in [
            (libc::SYS_munmap, vec![Argument::Number(0), Argument::Number(0)]),
            (libc::SYS_syslog, vec![Argument::Number(3), Argument::Number(8), Argument::Number(8)]),
            (libc::SYS_syslog, vec![Argument::Number(4), Argument::Page(&mut page), Argument::Length]),
            (libc::SYS_shmat, vec![Argument::Number(1), Argument::Number(4096), Argument::Number(0o40_000)]),
            (libc::SYS_ioctl, vec![Argument::Number(0), Argument::Number(0x5401), Argument::Bytes(b"")]),
        ] {
            assert_eq!(call(number, arguments).unwrap_err().raw_os_error(), Some(libc::ENOSYS), "{number}");
        }
        assert!(call(libc::SYS_pidfd_open, vec![Argument::Number(1), Argument::Number(0)]).is_ok());
    }
}
