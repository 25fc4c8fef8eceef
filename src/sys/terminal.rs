//! Terminals: what nix does not wrap of them.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::check;

/// Rows, columns and pixels (`ioctl_tty(2)`).
pub use libc::winsize as Size;

/// Whether descriptor `number` is a terminal. A number that is not open is none.
pub fn is_terminal(number: RawFd) -> bool {
    // SAFETY: the call takes a number alone, and any number will do.
    unsafe { libc::isatty(number) == 1 }
}

/// The size of a terminal's window.
pub fn size(terminal: impl AsFd) -> io::Result<Size> {
    let mut size = MaybeUninit::<Size>::zeroed();
    // SAFETY: the kernel writes one `winsize`, or nothing.
    check(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) }.into())?;
    // SAFETY: all-zero bytes are a valid `winsize`, so this holds whether the call wrote it or not.
    Ok(unsafe { size.assume_init() })
}

/// Gives a terminal's window a size; who stands in front of it gets SIGWINCH where that is another one.
pub fn set_size(terminal: impl AsFd, size: Size) -> io::Result<()> {
    // SAFETY: the kernel reads one `winsize`, which lives through the call.
    check(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }.into()).map(drop)
}
