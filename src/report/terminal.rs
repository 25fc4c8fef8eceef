//! The only writer to stderr.
//!
//! **Invariants.** Never panics and never fails: a full disk, a closed descriptor or a gone reader loses the message and
//! nothing else. Colour only on a terminal, and never under `NO_COLOR`.

use std::io::Write;

/// Stderr, as the user wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    is_quiet: bool,
    has_colour: bool,
}

/// Line starts that are coloured, with their SGR codes (ECMA-48 §8.3.117).
const LABELS: [(&str, &str); 4] = [("error:", "1;31"), ("warning:", "1;33"), ("hint:", "1;36"), ("caused by:", "1")];

impl Terminal {
    /// Stderr, which is a terminal or not, under `NO_COLOR` or not, with `--quiet` or not.
    pub fn new(is_terminal: bool, no_colour: bool, is_quiet: bool) -> Self {
        Self { is_quiet, has_colour: is_terminal && !no_colour }
    }

    /// Says what only matters to who watches; nothing under `--quiet`.
    pub fn note(self, text: &str) {
        if !self.is_quiet {
            self.say(text);
        }
    }

    /// Says what must be said, in one write where the system allows, so that lines of two processes do not mix.
    pub fn say(self, text: &str) {
        let mut text = self.coloured(text);
        if !text.ends_with('\n') && !text.is_empty() {
            text.push('\n');
        }
        // Nobody is left to tell.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    fn coloured(self, text: &str) -> String {
        if !self.has_colour {
            return text.to_owned();
        }
        text.split_inclusive('\n').map(coloured_line).collect()
    }
}

fn coloured_line(line: &str) -> String {
    for (label, code) in LABELS {
        let (before, rest) = match line.strip_prefix("agentsecrets: ") {
            Some(rest) => ("agentsecrets: ", rest),
            None => ("", line),
        };
        if let Some(rest) = rest.strip_prefix(label) {
            return format!("{before}\u{1b}[{code}m{label}\u{1b}[0m{rest}");
        }
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_needs_a_terminal_and_no_objection() {
        let text = "error: a\nplain\nhint: b";
        for (is_terminal, no_colour) in [(false, false), (false, true), (true, true)] {
            assert_eq!(Terminal::new(is_terminal, no_colour, false).coloured(text), text);
        }
        assert_eq!(
            Terminal::new(true, false, false).coloured(text),
            "\u{1b}[1;31merror:\u{1b}[0m a\nplain\n\u{1b}[1;36mhint:\u{1b}[0m b"
        );
    }
}
