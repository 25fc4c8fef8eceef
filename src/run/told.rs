//! What the user is told of a run that goes on: at once, or after it where the child has the terminal.

use tokio::sync::mpsc;

use crate::proxy::Notice;
use crate::report::{self, Terminal};
use crate::supervise::News;

/// Where news comes from: the broker, and what crosses the seal.
pub(super) struct Heard {
    /// Of the broker.
    pub(super) notices: mpsc::Receiver<Notice>,
    /// Of ports and links.
    pub(super) news: mpsc::Receiver<News>,
}

/// Lines for the user, each shown once.
pub(super) struct Told {
    terminal: Terminal,
    at_once: bool,
    kept: Vec<String>,
}

/// Lines that wait for the terminal; later ones are in the log or were for the moment only.
const KEPT: usize = 512;

impl Told {
    /// `at_once` is for a standard error that no terminal shows: a program on a terminal owns the screen while it runs.
    pub(super) fn new(terminal: Terminal, at_once: bool) -> Self {
        Self { terminal, at_once, kept: Vec::new() }
    }

    /// Shows or keeps a notice of the broker.
    pub(super) fn hear(&mut self, notice: &Notice) {
        self.tell(report::notice(notice));
    }

    /// Shows or keeps what happened across the seal.
    pub(super) fn learn(&mut self, news: &News) {
        self.tell(report::news(news));
    }

    fn tell(&mut self, line: String) {
        if self.at_once {
            self.terminal.note(&line);
        } else if self.kept.len() < KEPT {
            self.kept.push(line);
        }
    }

    /// After the child: what is still in the channels, then all that was kept.
    pub(super) fn finish(mut self, heard: &mut Heard) {
        while let Ok(notice) = heard.notices.try_recv() {
            self.hear(&notice);
        }
        while let Ok(news) = heard.news.try_recv() {
            self.learn(&news);
        }
        for line in &self.kept {
            self.terminal.note(line);
        }
    }
}
