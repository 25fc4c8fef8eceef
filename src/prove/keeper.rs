//! The keeper of the canaries: a process of its own that plants what lies outside of the place of a proof, and removes all
//! of it when the proof is over, also where that was killed and could not.
//!
//! **Invariants.** It lives no longer than the proof: the end of the proof, by whatever death, is the end of file that it
//! waits for. It stands in a session of its own, so that no key of the terminal reaches it. It removes only what has the
//! proof's own name.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitCode};
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::unistd::setsid;

use crate::attack::{self, Aim};
use crate::secret::{Secret, SecretName, WorkspaceName};
use crate::source::{Key, Keychain, Store};
use crate::supervise::spawn;
use crate::sys::attempt::{Argument, call};

/// The hidden verb that starts a keeper.
pub const KEEPER_VERB: &str = "__canaries";

/// The name of the item in the keychain.
const ITEM: &str = "CANARY_ITEM";
/// How long the keychain may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// The keeper, as the proof sees it.
#[derive(Debug)]
pub(super) struct Keeper(Child);

impl Keeper {
    /// Starts it and waits until everything is planted; beside it, why nothing is in the keychain, if there is one.
    /// `environment` is how the keychain is found.
    pub(super) fn start(aim_file: &Path, environment: &[(OsString, OsString)]) -> io::Result<(Self, Option<String>)> {
        let mut child = spawn::remover(&[KEEPER_VERB.into(), aim_file.into()], environment)?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?).read_line(&mut line)?;
        let reason = line.strip_suffix('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok((Self(child), Some(reason.to_owned()).filter(|reason| !reason.is_empty())))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.stdin = None;
        // What it removes is to be gone when we are.
        let _ = self.0.wait();
    }
}

/// What `agentsecrets __canaries AIM` runs: standard input is the line to the proof.
pub fn keep(arguments: &[OsString]) -> ExitCode {
    let done = arguments.get(2).map_or(Err(io::ErrorKind::InvalidInput.into()), |path| keep_all(Path::new(path)));
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(125) }
}

fn keep_all(aim_file: &Path) -> io::Result<()> {
    SigSet::all().thread_block()?;
    setsid()?;
    std::env::set_current_dir("/")?;
    let aim = Aim::read(aim_file)?;
    let planted = shared(&aim);
    let line: Vec<u8> = aim.backwards.bytes().rev().chain(*b"\n").collect();
    for path in &planted {
        // An ordinary user has no place in /run; the attack there is root's.
        let _ = fs::write(path, &line);
    }
    let segment = attack::plant_segment(aim.segment);
    let item = aim.keychain.as_ref().map(|_| Item::plant(&aim)).transpose();
    let reason = item.as_ref().err().map(|reason| reason.replace(char::is_control, " ")).unwrap_or_default();
    // A proof that is dead already hears nothing; what was planted for it is to be removed all the same.
    let _ = io::stdout().write_all(format!("{reason}\n").as_bytes());
    let mut nothing = Vec::new();
    // Whatever ends the line ends the proof.
    let _ = io::stdin().lock().read_to_end(&mut nothing);
    for path in planted.iter().chain(&planted.iter().map(|path| path.with_extension("sock")).collect::<Vec<_>>()) {
        let _ = fs::remove_file(path);
    }
    if let Ok(Some(item)) = item {
        item.remove();
    }
    if let Ok(segment) = segment {
        let remove = vec![Argument::Number(segment), Argument::Number(0), Argument::Number(0)];
        let _ = call(libc::SYS_shmctl, remove);
    }
    remove(&aim.root)
}

/// The canary in the user's keychain. Its workspace has the proof's own name, so that no command of the user's finds it.
struct Item {
    keychain: Keychain,
    key: Key,
}

impl Item {
    /// The workspace and the name of an item, for a proof of this name.
    fn key(aim: &Aim) -> Result<Key, String> {
        let workspace = WorkspaceName::new(&aim.abstract_name[..]).map_err(|error| error.to_string())?;
        let name = SecretName::new(ITEM).map_err(|error| error.to_string())?;
        Ok(Key { workspace, name })
    }

    fn plant(aim: &Aim) -> Result<Self, String> {
        let item = Self { keychain: Keychain::new(DEADLINE), key: Self::key(aim)? };
        let value = Secret::new(aim.backwards.bytes().rev().collect());
        // What was not answered in time may still come to be.
        item.keychain.set(&item.key, &value).map_err(|error| {
            item.remove();
            error.to_string()
        })?;
        Ok(item)
    }

    fn remove(&self) {
        // A keychain that is gone or locked meanwhile keeps a value that is worth nothing.
        let _ = self.keychain.remove(&self.key);
    }
}

/// The attributes by which the item is found, as the keychain's library writes them.
pub(super) fn attributes(aim: &Aim) -> Option<Vec<(String, String)>> {
    let key = Item::key(aim).ok()?;
    Some(vec![("service".into(), "agentsecrets".into()), ("username".into(), key.to_string())])
}

/// Runs that are being killed may write for a moment yet.
fn remove(place: &Path) -> io::Result<()> {
    for _ in 0..50 {
        match fs::remove_dir_all(place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
            Ok(()) => return Ok(()),
        }
    }
    fs::remove_dir_all(place)
}

/// The canaries in shared places.
fn shared(aim: &Aim) -> Vec<PathBuf> {
    ["/tmp", "/run", "/dev/shm"].iter().map(|folder| Path::new(folder).join(&aim.canary)).collect()
}

/// Gives this process a session keyring of its own with a key in it that every user may read; what is started from here
/// inherits it, and it ends with the last of them (keyrings(7)).
///
/// A kernel without keyrings, or a machine that refuses them, has nothing to attack there: the control says so.
pub(super) fn plant_key(description: &str) {
    const SESSION: i64 = -3;
    let number = Argument::Number;
    let (Ok(name), value) = (std::ffi::CString::new(description), b"a canary") else { return };
    let Ok(_) = call(libc::SYS_keyctl, vec![number(1), number(0)]) else { return };
    let length = i64::try_from(value.len()).unwrap_or(0);
    let add =
        vec![Argument::Text(c"user"), Argument::Text(&name), Argument::Bytes(value), number(length), number(SESSION)];
    if let Ok(key) = call(libc::SYS_add_key, add) {
        let _ = call(libc::SYS_keyctl, vec![number(5), number(key), number(0x3f3f_3f3f)]);
    }
}
