//! Loads a classic BPF program as this process's system call filter (`seccomp(2)`).

use std::io;

use super::check;

/// One instruction of classic BPF.
pub use libc::sock_filter as Instruction;

/// Filters every system call of this process and of all that it will start. `no_new_privs` must be set.
pub fn load(program: &[Instruction]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads `len` instructions from `filter`, which lives through the call, and never writes.
    let returned = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    check(returned).map(drop)
}
