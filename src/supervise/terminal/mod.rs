//! The user's terminal and the child's own: one is shown in the other while the command is in front.
//!
//! **Invariants.** The user's terminal is raw only while the command is in front of its own and our process group is in
//! front of the user's. However the run ends, the settings are as before: put back here on every way out, and by the
//! [`Keeper`] where there was none.

mod buffer;
mod keeper;
mod relay;
mod settings;
mod user;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlushArg, tcflush};

pub use keeper::{Keeper, keep_terminal};
pub use user::UserTerminal;

use super::signals::Signals;
use crate::sys::terminal::{set_size, size};
use relay::Relay;
use settings::Settings;

/// The two terminals, connected.
#[derive(Debug)]
pub struct Attached {
    user: UserTerminal,
    master: File,
    relay: Relay,
    keeper: Keeper,
    /// The child's terminal has the settings that a program in front of the user's would find.
    is_like_the_users: bool,
    /// The settings before ours and ours, while the terminal is taken.
    taken: Option<(Settings, Settings)>,
}

impl Attached {
    /// Connects the terminal of the user with the child's, of which this is the `master`: size and settings become the
    /// same. Where a run has no terminal there is nothing to connect.
    pub fn connect(
        user: Option<UserTerminal>,
        master: Option<OwnedFd>,
        keeper: Option<Keeper>,
    ) -> io::Result<Option<Self>> {
        let (Some(user), Some(master), Some(keeper)) = (user, master, keeper) else { return Ok(None) };
        Self::new(user, master, keeper).map(Some)
    }

    fn new(user: UserTerminal, master: OwnedFd, keeper: Keeper) -> io::Result<Self> {
        let master = File::from(master);
        let relay = Relay::start(user.try_clone()?, master.try_clone()?)?;
        let mut attached = Self { user, master, relay, keeper, is_like_the_users: false, taken: None };
        attached.resize();
        // Behind a shell that edits its next line, the settings are the shell's; a terminal of its own has sensible ones.
        if attached.user.is_in_front() {
            attached.copy_settings(Settings::of(&attached.user)?)?;
        }
        Ok(attached)
    }

    fn copy_settings(&mut self, settings: Settings) -> nix::Result<()> {
        self.is_like_the_users = true;
        settings.set(&self.master)
    }

    /// Whether the command is in front of its user from the start.
    pub fn is_for_the_command_alone(&self) -> bool {
        self.user.is_for_the_command_alone()
    }

    /// Gives the child's terminal the size of the user's; who is in front of it gets SIGWINCH when it is another one.
    pub fn resize(&self) {
        // A terminal without a size leaves the other one as it is.
        let _ = size(&self.user).and_then(|size| set_size(&self.master, size));
    }

    /// Takes the user's terminal for the command, if our process group is in front of it: raw, and what is typed is the
    /// command's. Says whether it is taken.
    pub fn take(&mut self) -> bool {
        let taken = self.user.is_in_front() && self.make_raw().is_ok();
        if !taken {
            self.relay.set_reading(false);
        }
        taken
    }

    /// Begins to hand on what is typed. Not before the command was told that it is in front: a key that sends a signal would
    /// go to whoever is in front of the child's terminal until then.
    pub fn begin_reading(&self) {
        self.relay.set_reading(true);
    }

    fn make_raw(&mut self) -> io::Result<()> {
        let current = Settings::of(&self.user)?;
        if self.taken.is_some_and(|(_, made)| current.looks_like(made)) {
            return Ok(());
        }
        if !self.is_like_the_users {
            self.copy_settings(current)?;
        }
        let raw = current.raw(&self.user)?;
        // Told before it is done: a run that is killed in between has changed nothing yet.
        // A keeper that somebody has killed takes its promise along; the command needs its terminal all the same.
        let _ = self.keeper.keep(current, raw);
        self.taken = Some((current, raw));
        Ok(raw.set(&self.user)?)
    }

    /// Shows what the command has written so far and gives the terminal back.
    pub fn give_back(&mut self) {
        self.relay.set_reading(false);
        self.relay.flush();
        self.put_back();
    }

    fn put_back(&mut self) -> bool {
        let Some((before, made)) = self.taken.take() else { return false };
        before.put_back(&self.user, made).unwrap_or(false)
    }

    /// The signal that the user's last key of that kind has sent to whoever was in front inside.
    pub fn key(&self) -> Option<i32> {
        self.relay.key()
    }

    /// Readable when the user's terminal is gone.
    pub fn gone(&self) -> io::Result<OwnedFd> {
        self.relay.over().as_fd().try_clone_to_owned()
    }

    /// After the command: shows all that it has written, unless a signal to this process says that nobody waits for it;
    /// then the terminal is as it was.
    pub fn finish(mut self, signals: &Signals) {
        self.relay.set_reading(false);
        self.relay.finish();
        wait_until(self.relay.over().as_fd(), signals);
        if self.put_back() {
            // What a terminal answered to the child's last questions is not for the user's shell to read.
            let _ = tcflush(&self.user, FlushArg::TCIFLUSH);
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.relay.set_reading(false);
        self.put_back();
    }
}

/// Waits until `over` is readable or a signal asks this process to end.
pub(super) fn wait_until(over: BorrowedFd, signals: &Signals) {
    loop {
        let mut polled = [PollFd::new(over, PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let polled = poll(&mut polled, PollTimeout::NONE).map(|_| polled.map(|one| one.any().unwrap_or(false)));
        match polled {
            Err(nix::Error::EINTR) | Ok([false, false]) => {}
            Ok([false, true]) if !signals.ask_to_end() => {}
            _ => return,
        }
    }
}
