//! The host's part in some attacks: what the user's own programs do to files while a run goes on. An attacker asks for it by
//! a file in the project and waits until it is done.
//!
//! **Invariants.** What can be asked for is in a list, and touches nothing but what was planted. Nothing that is asked for
//! gives an attacker more than a user's own editor would.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Aim, Outcome, Scene, files, why};

/// How often either side looks for the other's file.
const PAUSE: Duration = Duration::from_millis(2);
/// How long an attacker waits for the host.
const PATIENCE: Duration = Duration::from_secs(5);
/// The file by which the attacker asks, in the project.
const ASKED: &str = "asked-of-the-host";

/// What the host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Another file takes the place of the project's `.env`, as editors save.
    Replace,
    /// The project's `.env` is written again.
    Rewrite,
    /// A new `.env.later` stands in the project.
    Make,
    /// The same in a folder that is new too.
    MakeBelow,
    /// Another file takes the place of the home's `.aws/credentials`.
    ReplaceCredentials,
}

impl Deed {
    const ALL: [Self; 5] = [Self::Replace, Self::Rewrite, Self::Make, Self::MakeBelow, Self::ReplaceCredentials];

    const fn word(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Rewrite => "rewrite",
            Self::Make => "make",
            Self::MakeBelow => "make-below",
            Self::ReplaceCredentials => "replace-credentials",
        }
    }

    /// The file that holds the secret afterwards.
    fn path(self, aim: &Aim) -> PathBuf {
        let project = aim.root.join("project");
        match self {
            Self::Replace | Self::Rewrite => project.join(".env"),
            Self::Make => project.join(".env.later"),
            Self::MakeBelow => project.join("made-later/.env"),
            Self::ReplaceCredentials => aim.home.join(".aws/credentials"),
        }
    }

    /// Does it; `line` holds the secret.
    fn perform(self, aim: &Aim, line: &str) -> io::Result<()> {
        let (path, text) = (self.path(aim), format!("# {}\n{line}", self.word()));
        match self {
            Self::Rewrite | Self::Make => fs::write(path, text),
            Self::MakeBelow => {
                fs::create_dir(path.with_file_name(""))?;
                fs::write(path, text)
            }
            Self::Replace | Self::ReplaceCredentials => {
                let beside = path.with_file_name("saved-beside");
                fs::write(&beside, text)?;
                fs::rename(beside, path)
            }
        }
    }
}

/// Has the host do something, and reads the secret that it leaves: at once, and again for as long as a run may take.
pub(super) fn read_after(deed: Deed, scene: &Scene) -> Outcome {
    let project = scene.aim.root.join("project");
    let (asked, done) = (project.join(ASKED), project.join(format!("done-{}", scene.mark)));
    // The name appears with its content.
    let beside = project.join(format!("asking-{}", scene.mark));
    fs::write(&beside, format!("{} {}", deed.word(), scene.mark)).map_err(why("ask"))?;
    fs::rename(&beside, &asked).map_err(why("ask"))?;
    let begin = Instant::now();
    while !done.exists() {
        if begin.elapsed() > PATIENCE {
            return Err("the host did nothing".into());
        }
        std::thread::sleep(PAUSE);
    }
    let (path, begin) = (deed.path(scene.aim), Instant::now());
    loop {
        let outcome = files::read(scene, &path);
        if outcome.is_err() || begin.elapsed() >= scene.aim.window() {
            return outcome;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Does what attackers ask for until it is dropped.
#[derive(Debug)]
pub struct Accomplice {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Accomplice {
    /// Starts to listen, in a thread of its own; `line` holds the secret.
    pub fn start(aim: &Aim, line: &str) -> io::Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (over, aim, line) = (Arc::clone(&is_over), aim.clone(), line.to_owned());
        let serve = move || {
            while !over.load(Ordering::Relaxed) {
                // What an attacker spoils here it spoils for itself: it is never told that anything was done.
                let _ = serve(&aim, &line);
                std::thread::sleep(PAUSE);
            }
        };
        let thread = std::thread::Builder::new().name("accomplice".into()).spawn(serve)?;
        Ok(Self { is_over, thread: Some(thread) })
    }
}

impl Drop for Accomplice {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends within a pause.
            let _ = thread.join();
        }
    }
}

fn serve(aim: &Aim, line: &str) -> io::Result<()> {
    let project = aim.root.join("project");
    let asked = project.join(ASKED);
    let Ok(text) = fs::read_to_string(&asked) else { return Ok(()) };
    fs::remove_file(&asked)?;
    let (word, mark) = text.split_once(' ').unwrap_or_default();
    let is_mark = !mark.is_empty() && mark.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let Some(deed) = Deed::ALL.into_iter().find(|deed| deed.word() == word && is_mark) else { return Ok(()) };
    deed.perform(aim, line)?;
    fs::write(project.join(format!("done-{mark}")), "")
}

/// A folder and everything in it, gone at the end; it may be as large as an attack likes.
pub(super) fn remove(folder: &Path) {
    // Whoever removes the place of the proof tries again.
    let _ = fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_what_is_asked_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let aim = Aim::sample(place.path());
        for folder in ["project", "home/.aws"] {
            fs::create_dir_all(place.path().join(folder)).unwrap();
        }
        let accomplice = Accomplice::start(&aim, "KEY=secret\n").unwrap();
        for (index, deed) in Deed::ALL.into_iter().enumerate() {
            let mark = format!("mark-{index}");
            let scene = Scene { mark: &mark, aim: &aim, parent: nix::unistd::getpid() };
            assert_eq!(read_after(deed, &scene), Ok("the real value".into()), "{deed:?}");
        }
        drop(accomplice);
        let asked = place.path().join("project").join(ASKED);
        for text in ["replace ../../x", "nothing mark", "replace", "replace "] {
            fs::remove_file(place.path().join("project/.env")).unwrap_or_default();
            fs::write(&asked, text).unwrap();
            serve(&aim, "KEY=secret\n").unwrap();
            assert!(!asked.exists() && !place.path().join("project/.env").exists(), "{text}");
        }
    }
}
