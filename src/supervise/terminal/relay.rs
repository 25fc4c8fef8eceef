//! The relay: bytes between the user's terminal and the child's, on a thread of its own.
//!
//! **Invariants.** No byte is changed, lost or held back while its reader takes it; a reader that does not take it makes
//! the writer wait. What is typed is read only while the terminal is the command's. A thread, because a keystroke must not
//! wait for the broker's work, and plain `poll(2)`, because the terminals are two descriptors and nothing else.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::buffer::{Buffer, Moved, Once};
use super::settings::Settings;

/// How long a stop waits for a terminal that takes nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread, as its owner sees it.
#[derive(Debug)]
pub(super) struct Relay {
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
    over: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    wake: EventFd,
    /// What is typed is for the command.
    reads: AtomicBool,
    /// Nothing is to be waited for any more.
    ends: AtomicBool,
    /// The number of the signal that the last key of that kind has sent inside; 0 where there was none.
    key: AtomicI32,
}

enum Order {
    /// Show what the child has written so far, then answer.
    Flush(SyncSender<()>),
    /// Show what the child has written, then end.
    Finish,
}

impl Relay {
    /// Starts between `user` and `master`. What is typed is not read yet.
    pub(super) fn start(user: File, master: File) -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let wake = EventFd::from_value_and_flags(0, flags)?;
        let (reads, ends, key) = (AtomicBool::new(false), AtomicBool::new(false), AtomicI32::new(0));
        let shared = Arc::new(Shared { wake, reads, ends, key });
        let (orders, receiver) = sync_channel(4);
        let (over, ended) = io::pipe()?;
        let user_blocks = !is_nonblocking(&user)?;
        let flags = OFlag::from_bits_retain(fcntl(&master, FcntlArg::F_GETFL)?);
        fcntl(&master, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let side = Side {
            user,
            user_blocks,
            master,
            shared: Arc::clone(&shared),
            orders: receiver,
            typed: Buffer::new(),
            shown: Buffer::new(),
            flushes: Vec::new(),
            finishes: false,
            child_is_gone: false,
        };
        let thread = std::thread::Builder::new().name("terminal".into()).spawn(move || {
            // Closed when the thread ends, however it ends.
            let _ended = ended;
            side.serve();
        })?;
        Ok(Self { shared, orders, over: over.into(), thread: Some(thread) })
    }

    /// Readable when one of the terminals is gone.
    pub(super) fn over(&self) -> impl AsFd {
        self.over.as_fd()
    }

    /// Whether what is typed is read.
    pub(super) fn set_reading(&self, reads: bool) {
        self.shared.reads.store(reads, Ordering::SeqCst);
        self.wake();
    }

    /// The signal that the user's last key of that kind has sent to whoever was in front inside.
    pub(super) fn key(&self) -> Option<i32> {
        Some(self.shared.key.load(Ordering::SeqCst)).filter(|number| *number != 0)
    }

    /// Returns when all that the child has written so far is shown, or the terminal takes no more.
    pub(super) fn flush(&self) {
        let (answer, shown) = sync_channel(1);
        // A thread that is gone has shown what it could.
        if self.orders.try_send(Order::Flush(answer)).is_ok() {
            self.wake();
            let _ = shown.recv_timeout(PATIENCE);
        }
    }

    /// Has everything shown that the child has written; [`over`](Self::over) says when that is done.
    pub(super) fn finish(&self) {
        let _ = self.orders.try_send(Order::Finish);
        self.wake();
    }

    fn wake(&self) {
        // A counter that is full wakes as well.
        let _ = self.shared.wake.write(1);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        self.wake();
        // A thread that panicked has nothing to give back.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn is_nonblocking(device: &File) -> io::Result<bool> {
    Ok(OFlag::from_bits_retain(fcntl(device, FcntlArg::F_GETFL)?).contains(OFlag::O_NONBLOCK))
}

/// The thread's own side.
struct Side {
    user: File,
    user_blocks: bool,
    master: File,
    shared: Arc<Shared>,
    orders: Receiver<Order>,
    typed: Buffer,
    shown: Buffer,
    flushes: Vec<SyncSender<()>>,
    finishes: bool,
    /// Nothing can come from the child any more.
    child_is_gone: bool,
}

/// What the kernel says of a descriptor.
#[derive(Clone, Copy)]
struct Ready {
    readable: bool,
    writable: bool,
    gone: bool,
}

impl Ready {
    fn of(polled: &PollFd) -> Self {
        let events = polled.revents().unwrap_or(PollFlags::empty());
        Self {
            readable: events.contains(PollFlags::POLLIN),
            writable: events.contains(PollFlags::POLLOUT),
            gone: events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL),
        }
    }
}

impl Side {
    fn serve(mut self) {
        // An error of poll(2) itself leaves nothing to go on with.
        while let Ok((user, has_news)) = self.wait() {
            if self.shared.ends.load(Ordering::SeqCst) {
                return;
            }
            self.hear_orders();
            self.show(user, has_news);
            self.type_in(user);
            if user.gone || (self.child_is_gone && self.shown.is_empty()) {
                return;
            }
        }
    }

    /// Waits until there is something to do; says what the kernel says of the user's terminal, and whether there is
    /// something to read from the child's.
    fn wait(&self) -> nix::Result<(Ready, bool)> {
        let either = |input: bool, output: bool| {
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLIN, input);
            events.set(PollFlags::POLLOUT, output);
            events
        };
        let reads = self.shared.reads.load(Ordering::SeqCst) && self.typed.has_room();
        let user = either(reads, !self.shown.is_empty());
        let master = either(self.shown.has_room(), !self.typed.is_empty());
        let mut polled =
            vec![PollFd::new(self.user.as_fd(), user), PollFd::new(self.shared.wake.as_fd(), PollFlags::POLLIN)];
        // One that is hung up would wake us again and again, also while there is no room for what it still has.
        if !self.child_is_gone && !master.is_empty() {
            polled.push(PollFd::new(self.master.as_fd(), master));
        }
        match poll(&mut polled, PollTimeout::NONE) {
            Err(nix::Error::EINTR) => {}
            other => drop(other?),
        }
        if Ready::of(&polled[1]).readable {
            // Nothing to read is as good.
            let _ = self.shared.wake.read();
        }
        let master = polled.get(2).map(Ready::of);
        Ok((Ready::of(&polled[0]), master.is_some_and(|master| master.readable || master.gone)))
    }

    fn hear_orders(&mut self) {
        for order in self.orders.try_iter() {
            match order {
                Order::Flush(answer) => self.flushes.push(answer),
                Order::Finish => self.finishes = true,
            }
        }
    }

    /// From the child to the user. Who asks for all that was written so far gets what the kernel has not told of yet, too.
    fn show(&mut self, user: Ready, has_news: bool) {
        let mut has_all = self.child_is_gone;
        let reads = has_news || self.finishes || !self.flushes.is_empty();
        if !has_all && reads && self.shown.has_room() {
            self.child_is_gone = self.shown.fill(&self.master) == Moved::Refused;
            has_all = self.shown.has_room();
            // Once the end is asked for, what is there is all that will come.
            self.child_is_gone |= self.finishes && has_all;
        }
        let shown = match (self.user_blocks, user.writable) {
            (false, _) => self.shown.drain(&self.user),
            (true, true) => self.shown.drain(Once(Some(&self.user))),
            (true, false) => Moved::Enough,
        };
        if shown == Moved::Refused {
            // Nobody sees it any more.
            self.shown = Buffer::new();
            self.child_is_gone = true;
        }
        if has_all && self.shown.is_empty() {
            for answer in self.flushes.drain(..) {
                // Whoever asked may have lost patience.
                let _ = answer.send(());
            }
        }
    }

    /// Whether a key behind the first `waiting` bytes sends a signal, by the settings of the child's terminal.
    fn look_for_signals(&self, waiting: usize) {
        // Asked of the master, Linux tells the settings of the slave.
        let Ok(settings) = Settings::of(&self.master) else { return };
        let keys = self.typed.bytes().get(waiting..).unwrap_or_default();
        if let Some(signal) = keys.iter().rev().find_map(|key| settings.signal_of(*key)) {
            self.shared.key.store(signal as i32, Ordering::SeqCst);
        }
    }

    /// From the user to the child.
    fn type_in(&mut self, user: Ready) {
        if user.readable && self.shared.reads.load(Ordering::SeqCst) && self.typed.has_room() {
            let waiting = self.typed.bytes().len();
            let came =
                if self.user_blocks { self.typed.fill(Once(Some(&self.user))) } else { self.typed.fill(&self.user) };
            if came == Moved::Refused {
                // It is behind us now; whoever brings us back in front of it has it read again. One that is gone says so
                // by itself.
                self.shared.reads.store(false, Ordering::SeqCst);
            }
            self.look_for_signals(waiting);
        }
        // A child without a terminal reads nothing.
        let _ = self.typed.drain(&self.master);
    }
}
