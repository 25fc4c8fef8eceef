//! The seal: [`Profile`] asked, [`Enforcement`] got.
//!
//! A run starts a [`Stage`] (the same executable with a hidden verb), hands it the profile, and gets the sockets on
//! which the broker hears the child. The stage forks an init into new namespaces; the init builds what the child will
//! see, verifies it from inside, and keeps it. The command is the init's child, without capabilities.
//!
//! **Invariants.** Fail closed: a step that fails ends the stage, and the parent gets a [`Failure`] with the mechanism
//! and the way to mend it (C1). Neither stage nor init ever holds a real value: masks carry placeholders only. When the
//! parent dies, by whatever signal, the kernel kills stage and init, and with the init everything inside (L1).

mod apparmor;
mod bpf;
mod change;
mod channel;
mod command;
mod detect;
mod doors;
mod error;
mod failure;
mod guard;
mod handle;
mod left;
mod left_out;
mod mechanism;
mod mend;
mod message;
mod mountinfo;
mod port_table;
mod processes;
mod profile;
mod refusals;
mod seccomp;
mod stage;
mod wire;

pub use apparmor::apparmor_profile;
pub use change::{Change, Ended, Status};
pub use detect::{Detection, Fact, Verdict, detect, detect_guard};
pub use doors::Doors;
pub use error::{ExecError, SandboxError};
pub use failure::Failure;
pub use guard::{GuardFacts, GuardProfile, gaps, guard_main, version as landlock_version};
pub use handle::{Enforcement, Established, Guarded, Loopback, Stage};
pub use left::{Left, LeftContent, LeftFile, LeftKind};
pub use left_out::LeftOut;
pub use mechanism::Mechanism;
pub use message::Facts;
pub use port_table::{Listening, PortTable};
pub use processes::Processes;
pub use profile::{Mask, MaskKind, Place, Profile, Program, Put};
pub use stage::stage_main;
pub use wire::Bytes;
