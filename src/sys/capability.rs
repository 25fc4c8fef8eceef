//! Capabilities of this process (`capabilities(7)`).

use std::io;

use super::check;

/// `CAP_CHOWN`.
pub const CHOWN: u32 = 0;
/// `CAP_DAC_OVERRIDE`.
pub const DAC_OVERRIDE: u32 = 1;
/// `CAP_FOWNER`.
pub const FOWNER: u32 = 3;
/// `CAP_FSETID`.
pub const FSETID: u32 = 4;

/// `_LINUX_CAPABILITY_VERSION_3`: two words of 32 bits a set.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    process: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Reduces every set (bounding, ambient, permitted, effective, inheritable) to `kept`, numbers below 32. With an empty
/// list no program that this process executes can have a capability in this user namespace again.
pub fn keep_only(kept: &[u32]) -> io::Result<()> {
    drop_from_bounding(kept)?;
    hold_only(kept)
}

/// Reduces every set to `kept`, which must be held, but for the bounding set where this process has no right to: under
/// `no_new_privs` no program gains anything by that one.
pub fn keep_only_held(kept: &[u32]) -> io::Result<()> {
    match drop_from_bounding(kept) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {}
        dropped => dropped?,
    }
    hold_only(kept)
}

fn hold_only(kept: &[u32]) -> io::Result<()> {
    let mask = kept.iter().fold(0_u32, |mask, number| mask | 1 << number);
    let header = Header { version: VERSION, process: 0 };
    let none = Sets { effective: 0, permitted: 0, inheritable: 0 };
    let sets = [Sets { effective: mask, permitted: mask, inheritable: mask }, none];
    // SAFETY: version 3 reads one header and two sets of these layouts, and writes nothing for a known version.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) })?;
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    kept.iter().try_for_each(|&number| ambient(libc::PR_CAP_AMBIENT_RAISE, number))
}

fn drop_from_bounding(kept: &[u32]) -> io::Result<()> {
    for number in (0_u32..64).filter(|number| !kept.contains(number)) {
        // SAFETY: this `prctl` takes one number and touches no memory.
        let returned = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(number), 0, 0, 0) };
        match check(returned.into()) {
            // The first number that this kernel does not know.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        };
    }
    Ok(())
}

fn ambient(operation: libc::c_int, number: u32) -> io::Result<()> {
    let (operation, number) = (libc::c_ulong::from(operation.cast_unsigned()), libc::c_ulong::from(number));
    // SAFETY: this `prctl` takes numbers alone and touches no memory.
    check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, operation, number, 0, 0) }.into()).map(drop)
}
