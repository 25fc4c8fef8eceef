//! The command as its keeper holds it, which is the init of a seal or the monitor of a guard: what it may inherit, how it is
//! executed, and how it is a job of the session that its keeper leads.

mod execute;
mod inherited;
mod kept;
mod terminal;

pub(super) use execute::wait_and_execute;
pub(super) use inherited::{Inherited, close_the_rest, descriptor_path, flags, shown};
pub(super) use kept::{Command, ignored_signals};
pub(super) use terminal::{Terminal, lead_session, verify as verify_terminals};

use crate::sys::capability;

/// Capabilities that real root keeps, so that package managers work in the layers. Each holds only over files whose
/// owner is mapped, on mounts without devices and set-id programs.
pub(super) const ROOT_KEEPS: &[u32] =
    &[capability::CHOWN, capability::DAC_OVERRIDE, capability::FOWNER, capability::FSETID];
