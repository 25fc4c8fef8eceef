//! Standard streams of a child that is to have no terminal, as in a CI job: one that is a terminal is an empty input, or a
//! pipe whose bytes are shown on the terminal by a thread of ours. Everything else stays what it is.
//!
//! **Invariants.** No descriptor of a terminal is given to the child. What it has written before its end is shown before
//! ours; what takes nothing makes the writer wait. Output and errors of one terminal share a pipe, so that they stay in
//! order.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::signals::Signals;
use super::terminal::wait_until;

/// A pipe holds this much.
const CHUNK: usize = 64 << 10;

/// What a child gets as its standard streams.
#[derive(Debug, Default)]
pub struct Streams {
    /// In place of input, output and errors; `None` is ours as it is.
    given: [Option<OwnedFd>; 3],
    pipes: Vec<(PipeReader, File)>,
}

/// What the child writes is being shown.
#[derive(Debug)]
pub struct Shown {
    /// Closed when nothing more is to be waited for.
    open: Option<OwnedFd>,
    /// At its end when all is shown.
    over: OwnedFd,
}

impl Streams {
    /// Ours, but no terminal among them.
    pub fn without_terminals() -> io::Result<Self> {
        let mut streams = Self::default();
        if io::stdin().is_terminal() {
            streams.given[0] = Some(File::open("/dev/null")?.into());
        }
        let output = io::stdout().is_terminal().then(|| own(io::stdout())).transpose()?;
        let errors = io::stderr().is_terminal().then(|| own(io::stderr())).transpose()?;
        let is_one = match (&output, &errors) {
            (Some(output), Some(errors)) => output.metadata()?.rdev() == errors.metadata()?.rdev(),
            _ => false,
        };
        if let Some(terminal) = output {
            streams.given[1] = Some(streams.pipe(terminal)?);
        }
        streams.given[2] = match errors {
            Some(_) if is_one => streams.given[1].as_ref().map(OwnedFd::try_clone).transpose()?,
            Some(terminal) => Some(streams.pipe(terminal)?),
            None => None,
        };
        Ok(streams)
    }

    fn pipe(&mut self, terminal: File) -> io::Result<OwnedFd> {
        let (reader, writer) = io::pipe()?;
        let flags = OFlag::from_bits_retain(fcntl(&reader, FcntlArg::F_GETFL)?);
        fcntl(&reader, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        self.pipes.push((reader, terminal));
        Ok(writer.into())
    }

    /// Has a program start with them.
    pub(super) fn give(&self, command: &mut Command) -> io::Result<()> {
        let given = |stream: &Option<OwnedFd>| stream.as_ref().map(OwnedFd::try_clone).transpose();
        let [input, output, errors] = [given(&self.given[0])?, given(&self.given[1])?, given(&self.given[2])?];
        input.map(|input| command.stdin(Stdio::from(input)));
        output.map(|output| command.stdout(Stdio::from(output)));
        errors.map(|errors| command.stderr(Stdio::from(errors)));
        Ok(())
    }

    /// From now on what is written is shown. Call it after the signals are blocked, for it starts threads.
    pub fn show(self) -> io::Result<Shown> {
        let (stop, open) = io::pipe()?;
        let (over, ended) = io::pipe()?;
        for (source, terminal) in self.pipes {
            let (stop, ended) = (stop.try_clone()?, ended.try_clone()?);
            std::thread::Builder::new().name("output".into()).spawn(move || {
                // Closed when the thread ends, however it ends.
                let _ended = ended;
                // A terminal that is gone shows nothing any more.
                let _ = show(source, terminal, &stop);
            })?;
        }
        Ok(Shown { open: Some(open.into()), over: over.into() })
    }
}

impl Shown {
    /// After the child: returns when all that it has written is shown, or a signal says that nobody waits for it.
    pub fn finish(mut self, signals: &Signals) {
        self.open = None;
        wait_until(self.over.as_fd(), signals);
    }
}

fn own(stream: impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

/// Until every writer is gone; once `stop` is at its end, until there is nothing left for now.
fn show(mut source: PipeReader, mut terminal: File, stop: &PipeReader) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let stops = {
            let input = |stream| PollFd::new(stream, PollFlags::POLLIN);
            let mut polled = [input(source.as_fd()), input(stop.as_fd())];
            match poll(&mut polled, PollTimeout::NONE) {
                Err(nix::Error::EINTR) => continue,
                other => other?,
            };
            polled[1].any().unwrap_or(true)
        };
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => terminal.write_all(&buffer[..length])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if stops {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_a_pipe(write: impl FnOnce(OwnedFd) -> Option<OwnedFd>) -> Vec<u8> {
        let (mut streams, (mut shown, terminal)) = (Streams::default(), io::pipe().unwrap());
        let writer = streams.pipe(OwnedFd::from(terminal).into()).unwrap();
        let showing = streams.show().unwrap();
        let reading = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            shown.read_to_end(&mut bytes).map(|_| bytes)
        });
        let left = write(writer);
        showing.finish(&Signals::block().unwrap());
        drop(left);
        reading.join().unwrap().unwrap()
    }

    #[test]
    fn all_that_was_written_is_shown_also_where_a_writer_is_left() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let written = bytes.clone();
        let shown = through_a_pipe(move |writer| {
            File::from(writer).write_all(&written).unwrap();
            None
        });
        assert_eq!(shown, bytes);
        let shown = through_a_pipe(|writer| {
            nix::unistd::write(&writer, b"some").unwrap();
            Some(writer)
        });
        assert_eq!(shown, b"some");
    }
}
