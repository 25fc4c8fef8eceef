//! What BROWSER and `xdg-open` are inside a run: sends a link to the parent, which opens it in the user's browser.
//!
//! It runs as a part of the child and is trusted with nothing: the parent judges what comes over the socket.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use crate::report::{Terminal, plain};
use crate::run::{BROWSER_NAMES, BROWSER_PROGRAM, BROWSER_SOCKET};

/// As `xdg-open` ends: a usage error, no tool that opens, an action that failed. Callers then show the link themselves.
const USAGE: u8 = 1;
const NO_TOOL: u8 = 3;
const FAILED: u8 = 4;

/// Whether this program was started under one of the names.
pub(super) fn is_called(program: Option<&OsString>) -> bool {
    let name = program.map(Path::new).and_then(Path::file_name);
    name.is_some_and(|name| name == BROWSER_PROGRAM || BROWSER_NAMES.iter().any(|known| name == *known))
}

/// Opens the first argument that is no option.
pub(super) fn open(arguments: &[OsString]) -> ExitCode {
    let terminal = Terminal::new(false, true, false);
    let Some(link) = arguments.iter().skip(1).find(|argument| !argument.as_bytes().starts_with(b"-")) else {
        terminal.say("agentsecrets: name the http or https link to open");
        return ExitCode::from(USAGE);
    };
    let shown = plain(&link.to_string_lossy());
    let (text, status) = match ask(link) {
        Ok(answer) => match answer.split_once(' ').unwrap_or((answer.as_str(), "")) {
            ("opened", _) => return ExitCode::SUCCESS,
            ("shown", reason) => (format!("open this yourself ({}): {shown}", plain(reason)), NO_TOOL),
            (_, reason) => (format!("not opened ({}): {shown}", plain(reason)), FAILED),
        },
        Err(error) => (format!("open this yourself (no browser can be reached: {error}): {shown}"), NO_TOOL),
    };
    terminal.say(&format!("agentsecrets: {text}"));
    ExitCode::from(status)
}

fn ask(link: &OsStr) -> io::Result<String> {
    let mut stream = UnixStream::connect(BROWSER_SOCKET)?;
    stream.write_all(link.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.take(1024).read_to_string(&mut answer)?;
    Ok(answer)
}
