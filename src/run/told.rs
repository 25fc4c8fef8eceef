//! What the user is told of a run that goes on: at once, or after it where the child has the terminal.

use tokio::sync::mpsc;

use crate::proxy::Notice;
use crate::report::{self, Terminal};

/// Notices, each shown once.
pub(super) struct Told {
    terminal: Terminal,
    at_once: bool,
    kept: Vec<Notice>,
}

impl Told {
    /// `at_once` is for a standard error that no terminal shows: a program on a terminal owns the screen while it runs.
    pub(super) fn new(terminal: Terminal, at_once: bool) -> Self {
        Self { terminal, at_once, kept: Vec::new() }
    }

    /// Shows or keeps a notice.
    pub(super) fn hear(&mut self, notice: Notice) {
        if self.at_once {
            self.terminal.note(&report::notice(&notice));
        } else {
            self.kept.push(notice);
        }
    }

    /// After the child: what is still in the channel, then all that was kept.
    pub(super) fn finish(mut self, notices: &mut mpsc::Receiver<Notice>) {
        while let Ok(notice) = notices.try_recv() {
            self.hear(notice);
        }
        for notice in &self.kept {
            self.terminal.note(&report::notice(notice));
        }
    }
}
