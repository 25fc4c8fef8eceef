//! Asks for a value without showing it, on the terminal itself.
//!
//! **Invariants.** Only asks where a terminal is there to answer; the terminal is as it was afterwards, also after Ctrl-C,
//! which ends the question and not the process in its midst. A pasted value of any length is taken whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The most bytes of an answer, and of its line in memory that never grows.
const MOST: usize = 256 << 10;

/// A terminal that does not show what is typed, until it is dropped.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn new(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        // Byte by byte: a line of the terminal's own editor ends at 4095 bytes.
        silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
        silent.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        silent.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &self.before);
        let _ = self.terminal.write_all(b"\n");
    }
}

/// The answer to `question`; none where there is no terminal, an error where the user gave up.
pub fn prompt(question: &str) -> io::Result<Option<Secret>> {
    let options = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).to_owned();
    let Ok(mut terminal) = options.open("/dev/tty") else { return Ok(None) };
    terminal.write_all(question.as_bytes())?;
    let silent = Silent::new(terminal)?;
    answer(&silent.terminal).map(Some)
}

/// Whether the user says yes to `question`; no where there is no terminal, and for every other answer.
pub fn confirm(question: &str) -> io::Result<bool> {
    let options = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).to_owned();
    let Ok(mut terminal) = options.open("/dev/tty") else { return Ok(false) };
    terminal.write_all(format!("{question} [y/N] ").as_bytes())?;
    let mut line = Vec::new();
    let mut byte = [0];
    // Byte by byte: what is behind the line is somebody else's.
    while terminal.read(&mut byte)? > 0 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    Ok(matches!(line.trim_ascii().to_ascii_lowercase().as_slice(), b"y" | b"yes"))
}

fn answer(mut input: impl Read) -> io::Result<Secret> {
    let mut line = Zeroizing::new(Vec::with_capacity(MOST));
    // Byte by byte: a buffer would keep what was typed.
    let mut byte = [0];
    while input.read(&mut byte)? > 0 {
        match byte[0] {
            b'\n' | b'\r' => break,
            0x03 => return Err(io::Error::new(io::ErrorKind::Interrupted, "given up at the question")),
            0x04 if line.is_empty() => break,
            0x08 | 0x7f => drop(line.pop()),
            // Ctrl-U takes the line back.
            0x15 => line.clear(),
            _ if line.len() >= MOST => return Err(io::Error::other("the answer is too long")),
            byte => line.push(byte),
        }
    }
    Ok(Secret::new(std::mem::take(&mut *line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_edit_the_answer() {
        let typed = |bytes: &[u8]| answer(bytes).map(|answer| answer.expose().to_vec());
        assert_eq!(typed(b"secret\nrest").unwrap(), b"secret");
        assert_eq!(typed(b"wrong\x15secx\x7fret\r").unwrap(), b"secret");
        assert_eq!(typed(b"\x04").unwrap(), b"");
        assert_eq!(typed(b"secret").unwrap(), b"secret");
        assert!(typed(b"sec\x03ret\n").is_err());
        assert_eq!(typed(&[b'x'; 10_000]).unwrap().len(), 10_000);
    }
}
