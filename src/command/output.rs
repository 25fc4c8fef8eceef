//! What a verb was asked for goes to standard output, whole or with an error.

use std::io::{self, Write};

/// Writes `text` to standard output. A reader that went away (`| head`) is no failure.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
