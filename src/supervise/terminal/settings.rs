//! Terminal settings as plain numbers: what raw mode changes, and how it is undone.
//!
//! **Invariant.** Settings are put back only where those that we made still stand: a shell that took the terminal back in
//! the meantime has made its own.

use std::os::fd::AsFd;

use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr,
};

const CHARACTERS: usize = libc::NCCS;
/// Four words of flags, the line discipline, the control characters.
pub(super) const LENGTH: usize = 4 * 4 + 1 + CHARACTERS;

/// The settings of a terminal (`termios(3)`), apart from its speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    line: u8,
    characters: [u8; CHARACTERS],
}

impl Settings {
    /// Those of `terminal`.
    pub(super) fn of(terminal: impl AsFd) -> nix::Result<Self> {
        Ok(Self::from(&tcgetattr(terminal)?))
    }

    /// The same, raw: every byte as it is, both ways (`cfmakeraw(3)`).
    pub(super) fn raw(self, terminal: impl AsFd) -> nix::Result<Self> {
        let mut settings = tcgetattr(terminal)?;
        self.put_on(&mut settings);
        cfmakeraw(&mut settings);
        Ok(Self::from(&settings))
    }

    /// Gives them to `terminal`, at once: what waits to be shown was processed when it was written.
    pub(super) fn set(self, terminal: impl AsFd) -> nix::Result<()> {
        let mut settings = tcgetattr(&terminal)?;
        self.put_on(&mut settings);
        tcsetattr(terminal, SetArg::TCSANOW, &settings)
    }

    /// Gives them to `terminal` if `made` are those that it has; says whether it had them.
    pub(super) fn put_back(self, terminal: impl AsFd, made: Self) -> nix::Result<bool> {
        let is_ours = Self::of(&terminal)?.looks_like(made);
        if is_ours {
            self.set(terminal)?;
        }
        Ok(is_ours)
    }

    /// The signal that a key sends to whoever is in front (`termios(3)`, `ISIG`): to interrupt, or to quit.
    pub(super) fn signal_of(self, key: u8) -> Option<Signal> {
        let keys = [(libc::VINTR, Signal::SIGINT), (libc::VQUIT, Signal::SIGQUIT)];
        let is_it = |place: usize| key != libc::_POSIX_VDISABLE && self.characters[place] == key;
        let sends = self.local & LocalFlags::ISIG.bits() != 0;
        keys.into_iter().find(|(place, _)| sends && is_it(*place)).map(|(_, signal)| signal)
    }

    /// Whether a terminal that was given `made` may have these: the kernel corrects control flags that a device lacks.
    pub(super) fn looks_like(self, made: Self) -> bool {
        Self { control: made.control, ..self } == made
    }

    fn put_on(self, settings: &mut Termios) {
        settings.input_flags = InputFlags::from_bits_retain(self.input);
        settings.output_flags = OutputFlags::from_bits_retain(self.output);
        settings.control_flags = ControlFlags::from_bits_retain(self.control);
        settings.local_flags = LocalFlags::from_bits_retain(self.local);
        settings.line_discipline = self.line;
        settings.control_chars = self.characters;
    }

    /// For [`decode`](Self::decode).
    pub(super) fn encode(self) -> [u8; LENGTH] {
        let words = [self.input, self.output, self.control, self.local].map(u32::to_ne_bytes);
        let mut bytes = [0; LENGTH];
        let all = words.iter().flatten().chain([&self.line]).chain(&self.characters);
        bytes.iter_mut().zip(all).for_each(|(place, byte)| *place = *byte);
        bytes
    }

    /// What was encoded.
    pub(super) fn decode(bytes: &[u8; LENGTH]) -> Self {
        let word = |place: usize| {
            let mut word = [0; 4];
            word.copy_from_slice(&bytes[4 * place..4 * place + 4]);
            u32::from_ne_bytes(word)
        };
        let mut characters = [0; CHARACTERS];
        characters.copy_from_slice(&bytes[LENGTH - CHARACTERS..]);
        Self { input: word(0), output: word(1), control: word(2), local: word(3), line: bytes[16], characters }
    }
}

impl From<&Termios> for Settings {
    fn from(settings: &Termios) -> Self {
        Self {
            input: settings.input_flags.bits(),
            output: settings.output_flags.bits(),
            control: settings.control_flags.bits(),
            local: settings.local_flags.bits(),
            line: settings.line_discipline,
            characters: settings.control_chars,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_travel_and_come_back() {
        let pair = nix::pty::openpty(None, None).unwrap();
        let before = Settings::of(&pair.slave).unwrap();
        let raw = before.raw(&pair.slave).unwrap();
        assert_ne!(before, raw);
        assert_eq!(Settings::decode(&before.encode()), before);
        raw.set(&pair.slave).unwrap();
        assert!(Settings::of(&pair.slave).unwrap().looks_like(raw));
        assert!(before.put_back(&pair.slave, raw).unwrap());
        assert_eq!(Settings::of(&pair.slave).unwrap(), before);
    }

    #[test]
    fn keys_send_signals_where_the_settings_say_so() {
        let pair = nix::pty::openpty(None, None).unwrap();
        let cooked = Settings::of(&pair.slave).unwrap();
        let mut other = cooked;
        other.characters[libc::VINTR] = b'i';
        other.characters[libc::VQUIT] = libc::_POSIX_VDISABLE;
        let raw = cooked.raw(&pair.slave).unwrap();
        for (settings, key, expected) in [
            (cooked, 3, Some(Signal::SIGINT)),
            (cooked, 28, Some(Signal::SIGQUIT)),
            (cooked, b'i', None),
            (other, b'i', Some(Signal::SIGINT)),
            (other, 3, None),
            (other, libc::_POSIX_VDISABLE, None),
            (raw, 3, None),
        ] {
            assert_eq!(settings.signal_of(key), expected, "{key} {settings:?}");
        }
    }

    #[test]
    fn what_another_has_set_stays() {
        let pair = nix::pty::openpty(None, None).unwrap();
        let before = Settings::of(&pair.slave).unwrap();
        let raw = before.raw(&pair.slave).unwrap();
        let others = Settings { local: before.local & !LocalFlags::ECHO.bits(), ..before };
        others.set(&pair.slave).unwrap();
        assert!(!before.put_back(&pair.slave, raw).unwrap());
        assert_eq!(Settings::of(&pair.slave).unwrap(), others);
    }
}
