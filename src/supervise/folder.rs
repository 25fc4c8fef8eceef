//! A private folder that is gone when this process is, whatever it dies of.
//!
//! **Invariants.** A process of its own makes the folder and removes it: the end of this process, by whatever death, is the
//! end of file that it waits for. It stands in a session of its own, so that no key of the terminal reaches it, and takes
//! no signal but the one that nobody can refuse.
//!
//! **Trade-off.** Whoever kills that process as well keeps the folder; nothing secret is in it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};

use nix::sys::signal::SigSet;
use nix::unistd::setsid;

use super::spawn;

/// The hidden verb that starts the process.
pub const FOLDER_VERB: &str = "__folder";

/// The folder. Dropping it removes it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keeper: Child,
}

impl Folder {
    /// Makes one in `base`, mode 0700, with a name that nobody can guess.
    pub fn make(base: &Path) -> io::Result<Self> {
        let mut keeper = spawn::remover(&[FOLDER_VERB.into(), base.into()], &[])?;
        let mut path = Vec::new();
        // Its end without a word is an error of its own: there is no folder.
        keeper.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?.read_to_end(&mut path)?;
        if path.is_empty() {
            return Err(io::Error::other("the process that makes it ended"));
        }
        Ok(Self { path: OsString::from_vec(path).into(), keeper })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.keeper.stdin = None;
        let _ = self.keeper.wait();
        // Where it was killed.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// What `agentsecrets __folder BASE` runs: standard input is the line to the process whose folder it is.
pub fn keep_folder(arguments: &[OsString]) -> ExitCode {
    let kept = arguments.get(2).map_or(Err(io::ErrorKind::InvalidInput.into()), |base| keep(base));
    if kept.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(125) }
}

fn keep(base: &OsStr) -> io::Result<()> {
    SigSet::all().thread_block()?;
    setsid()?;
    let folder = tempfile::Builder::new().prefix("agentsecrets-").tempdir_in(base)?;
    let mut line = io::stdout().lock();
    line.write_all(folder.path().as_os_str().as_bytes())?;
    line.flush()?;
    // The reader waits for the end.
    nix::unistd::dup2_stdout(std::fs::File::open("/dev/null")?)?;
    // Whatever ends the line ends the process behind it.
    let _ = io::stdin().lock().read_to_end(&mut Vec::new());
    folder.close()
}
