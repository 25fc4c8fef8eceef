//! Bytes on their way from one terminal to the other, bounded: a reader that is slow makes the writer wait.

use std::io::{self, ErrorKind, Read, Write};

/// A terminal gives at most 4 KiB at once; more of them in one write save calls where much is to be shown.
const CAPACITY: usize = 64 << 10;

/// What became of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    /// All that could be moved for now.
    Enough,
    /// The terminal is not ours at the moment: it is behind us (`EIO`, credentials(7)), or it is gone.
    Refused,
}

/// A queue of bytes.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; CAPACITY].into_boxed_slice(), start: 0, end: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// What waits in it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(super) fn has_room(&self) -> bool {
        self.end - self.start < CAPACITY
    }

    /// Takes what `source` has and the buffer can hold.
    pub(super) fn fill(&mut self, mut source: impl Read) -> Moved {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end < CAPACITY {
            match source.read(&mut self.bytes[self.end..]) {
                Ok(0) => return Moved::Refused,
                Ok(length) => self.end += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return outcome(&error),
            }
        }
        Moved::Enough
    }

    /// Gives what `sink` takes.
    pub(super) fn drain(&mut self, mut sink: impl Write) -> Moved {
        while !self.is_empty() {
            match sink.write(&self.bytes[self.start..self.end]) {
                Ok(0) => return Moved::Enough,
                Ok(length) => self.start += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return outcome(&error),
            }
        }
        (self.start, self.end) = (0, 0);
        Moved::Enough
    }
}

fn outcome(error: &io::Error) -> Moved {
    if error.kind() == ErrorKind::WouldBlock { Moved::Enough } else { Moved::Refused }
}

/// A device that blocks, used once after the kernel has said that it is ready; then it is as one that would block.
pub(super) struct Once<T>(pub(super) Option<T>);

/// What a terminal that is ready takes at once.
const READY: usize = 256;

impl<R: Read> Read for Once<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or_else(|| Err(ErrorKind::WouldBlock.into()), |mut source| source.read(buffer))
    }
}

impl<W: Write> Write for Once<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let piece = &buffer[..buffer.len().min(READY)];
        self.0.take().map_or_else(|| Err(ErrorKind::WouldBlock.into()), |mut sink| sink.write(piece))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Takes or gives some bytes at a time and refuses in between.
    struct Choppy<'a> {
        bytes: Vec<u8>,
        sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    }

    impl Choppy<'_> {
        fn size(&mut self) -> io::Result<usize> {
            match self.sizes.next() {
                Some(0) | None => Err(ErrorKind::WouldBlock.into()),
                Some(size) => Ok(*size),
            }
        }
    }

    impl Read for &mut Choppy<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = self.size()?.min(buffer.len()).min(self.bytes.len());
            let rest = self.bytes.split_off(size);
            buffer[..size].copy_from_slice(&self.bytes);
            self.bytes = rest;
            if size == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(size) }
        }
    }

    impl Write for &mut Choppy<'_> {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            let size = self.size()?.min(buffer.len());
            self.bytes.extend_from_slice(&buffer[..size]);
            Ok(size)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn every_byte_passes_in_order(
            bytes in proptest::collection::vec(any::<u8>(), 0..200_000),
            mut reads in proptest::collection::vec(0..70_000_usize, 1..6),
            mut writes in proptest::collection::vec(0..70_000_usize, 1..6),
        ) {
            reads.push(1000);
            writes.push(1000);
            let mut source = Choppy { bytes: bytes.clone(), sizes: reads.iter().cycle() };
            let mut sink = Choppy { bytes: Vec::new(), sizes: writes.iter().cycle() };
            let mut buffer = Buffer::new();
            while sink.bytes.len() < bytes.len() {
                prop_assert_eq!(buffer.fill(&mut source), Moved::Enough);
                prop_assert!(buffer.end - buffer.start <= CAPACITY);
                prop_assert_eq!(buffer.drain(&mut sink), Moved::Enough);
            }
            prop_assert_eq!(sink.bytes, bytes);
            prop_assert!(buffer.is_empty());
        }
    }
}
