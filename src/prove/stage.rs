//! Tries a batch of attacks, outside and inside, and looks for the evidence.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::Pid;

use super::batch::{Batch, Scope};
use super::host::Host;
use super::judge::{self, Row, Seen};
use super::planted::{Ground, Site, VARIABLE};
use super::{Level, ProveError, fresh};
use crate::attack::{ATTACK_VERB, Accomplice, Evidence, Found, HELPER, KEPT, ROWS, Start, Trial};
use crate::supervise::spawn;
use crate::sys::terminal::size;
use crate::world::World;

/// For how long what the host changes may show inside, in milliseconds; on a machine at rest it is ten.
const WINDOW: u64 = 4_000;
/// How long a mark may be on its way when its sender is gone.
const TRAVEL: Duration = Duration::from_millis(200);
/// How long a control's mark is waited for.
const ARRIVAL: Duration = Duration::from_secs(5);
/// How long the processes of a killed run may take to end, in milliseconds.
const DYING: u16 = 5_000;
/// The status of a run that did not start.
const REFUSED: i32 = 125;

/// A pseudo-terminal that stands for the user's: the master is kept open, the slave is read afterwards.
struct Terminal {
    _master: OwnedFd,
    slave: OwnedFd,
}

/// On which side of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Outside,
    Inside(Level),
}

/// Everything that one side of a batch needs.
struct Stage<'a> {
    world: &'a World,
    host: &'a Host,
    ground: &'a Ground,
    batch: &'a Batch,
    side: Side,
}

/// Tries all of it; a run that does not start ends the proof.
pub(super) fn try_batch(
    world: &World,
    host: &Host,
    ground: &Ground,
    scope: Scope,
    batch: &Batch,
) -> Result<Vec<Row>, ProveError> {
    let stage = |side| Stage { world, host, ground, batch, side };
    let outside = stage(Side::Outside).attack()?;
    let inside = stage(Side::Inside(scope.level)).attack()?;
    let row = |(trial, (control, inside)): (&&'static Trial, (Found, Found))| Row {
        attack: trial.attack,
        group: trial.group,
        control: judge::control(trial.group, control.won, control.said),
        inside: Some(if inside.won { Seen::Won(inside.said) } else { Seen::Lost(inside.said) }),
        open: scope.opening(trial),
    };
    Ok(batch.trials.iter().zip(outside.into_iter().zip(inside)).map(row).collect())
}

impl Stage<'_> {
    /// Plants a site, starts the attacker on it, and judges; one finding a trial, in their order.
    fn attack(&self) -> Result<Vec<Found>, ProveError> {
        let name = fresh()?.chars().take(6).collect::<String>();
        let placed = |source| ProveError::Place { path: self.ground.place().to_owned(), source };
        let mut site = self.ground.site(&name, self.host, self.batch.has_dotenv).map_err(placed)?;
        let terminal =
            (self.batch.start == Start::Terminal).then(|| terminal(&mut site)).transpose().map_err(placed)?;
        let marks = self.batch.trials.iter().map(|_| fresh()).collect::<Result<Vec<_>, _>>()?;
        if let [trial] = self.batch.trials.as_slice()
            && trial.evidence == Evidence::Outlived
        {
            return self.outlive(&site, trial, marks.first().map_or("", String::as_str)).map(|found| vec![found]);
        }
        if self.batch.start == Start::Kept {
            self.keep(&mut site)?;
        }
        if self.side != Side::Outside {
            site.aim.window = WINDOW;
        }
        site.aim.write(&site.aim_file).map_err(placed)?;
        let line = format!("{VARIABLE}={}\n", self.ground.secret());
        let accomplice = (self.batch.start == Start::WithHost).then(|| Accomplice::start(&site.aim, &line)).transpose();
        let _accomplice = accomplice.map_err(ProveError::Start)?;
        let results = site.project.join("results.jsonl");
        let each: Vec<OsString> = self
            .batch
            .trials
            .iter()
            .zip(&marks)
            .map(|(trial, mark)| format!("{}={mark}", trial.attack).into())
            .collect();
        let log = site.aim.root.join("said");
        let mut words = vec![results.clone().into_os_string()];
        words.extend(each);
        let mut child = self.start(&site, "each", words, Some(&log)).map_err(ProveError::Start)?;
        let status = child.wait().map_err(ProveError::Start)?;
        let said = fs::read_to_string(&log).unwrap_or_default();
        if status.code() == Some(REFUSED) && !results.exists() {
            return self.refused(&said);
        }
        let mut found = read(&results);
        let missing = || format!("{} ({status}) {}", judge::NO_WORD, said.lines().next().unwrap_or_default());
        // The attackers are gone: what the first mark had time for, the others had too.
        let mut patience = if self.side == Side::Outside { ARRIVAL } else { TRAVEL };
        let judged = self.batch.trials.iter().zip(&marks).map(|(trial, mark)| {
            let attack = trial.attack.to_owned();
            let found = found.remove(trial.attack).unwrap_or_else(|| Found { attack, won: false, said: missing() });
            let waits = if trial.evidence == Evidence::Arrived && self.side != Side::Outside {
                std::mem::take(&mut patience)
            } else {
                patience
            };
            let won = self.judge(trial, (mark, waits), &site, terminal.as_ref(), found.won);
            let is_false = found.won && !won;
            let said = if is_false { format!("{}, and the host has nothing of it", found.said) } else { found.said };
            Found { attack: found.attack, won, said }
        });
        Ok(judged.collect())
    }

    /// A run that does not start: with a descriptor that leads out, or, at the level `guarded`, in a project that shows a
    /// secret in files, that is what holds. Anything else is for the user to hear.
    fn refused(&self, said: &str) -> Result<Vec<Found>, ProveError> {
        let is_usual = match self.batch.start {
            Start::Plain
            | Start::Allowlist
            | Start::Terminal
            | Start::Kept
            | Start::Helper
            | Start::WithHost
            | Start::OwnCopy => true,
            Start::StdinDirectory
            | Start::StdinHome(_)
            | Start::StdinDotenv
            | Start::StdinNull
            | Start::StdinDatagrams
            | Start::InheritedDirectory
            | Start::InheritedDotenv => false,
        };
        let shows_files = self.side == Side::Inside(Level::Guarded) && self.batch.has_dotenv && said.contains(".env");
        if is_usual && !shows_files {
            return Err(ProveError::Refused { status: REFUSED, said: said.trim_end().to_owned() });
        }
        let reason = said.lines().find_map(|line| line.trim().strip_prefix("caused by: ")).unwrap_or(said);
        let said = format!("the run does not start: {reason}");
        let found = |trial: &&Trial| Found { attack: trial.attack.to_owned(), won: false, said: said.clone() };
        Ok(self.batch.trials.iter().map(found).collect())
    }

    /// Keeps a secret in the site's own store, and makes a run, as a user does long before.
    fn keep(&self, site: &mut Site) -> Result<(), ProveError> {
        let host = format!("127.0.0.1:{}", site.aim.host_port);
        let value = fresh()?;
        let set: [OsString; 7] = [
            "secrets".into(),
            "set".into(),
            format!("{KEPT}={value}").into(),
            "--store".into(),
            "file".into(),
            "--host".into(),
            host.into(),
        ];
        let program = self.world.executable.clone().into_os_string();
        let words = ["run", "--quiet", "--no-ci", "--isolation", "none", "--"];
        let mut run: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        run.extend([program, "--version".into()]);
        for arguments in [&set[..], &run] {
            let log = site.aim.root.join("kept");
            let output = File::create(&log).map_err(ProveError::Start)?;
            let child = spawn::attacker(arguments, &self.environment(site), &site.project, Some(output));
            let status = child.and_then(|mut child| child.wait()).map_err(ProveError::Start)?;
            if !status.success() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(ProveError::Refused { status: status.code().unwrap_or(REFUSED), said });
            }
        }
        let logs = fs::read_dir(site.aim.state.join("agentsecrets/runs")).map_err(ProveError::Start)?.flatten();
        let name = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".jsonl").map(str::to_owned);
        site.aim.earlier_run = logs.into_iter().find_map(name);
        Ok(())
    }

    /// Starts the attacker: its words after the mode. Outside it has a plain parent; inside that is the run.
    fn start(&self, site: &Site, mode: &str, words: Vec<OsString>, log: Option<&Path>) -> io::Result<Child> {
        let program = self.world.executable.clone().into_os_string();
        let attacker = |mode: &str| [program.clone(), ATTACK_VERB.into(), site.aim_file.clone().into(), mode.into()];
        let mut arguments: Vec<OsString> = vec![ATTACK_VERB.into(), site.aim_file.clone().into(), "start".into()];
        arguments.push(self.batch.start.word().into());
        match self.side {
            Side::Outside if mode == "each" => arguments.extend(attacker("run")),
            Side::Outside => arguments.extend(attacker(mode)),
            Side::Inside(level) => {
                let mut flags = vec!["run", "--quiet", "--no-ci", "--isolation", level.name()];
                if self.batch.start == Start::Allowlist {
                    flags.extend(["--egress", "allowlist"]);
                }
                flags.push("--");
                arguments.push(program.clone());
                arguments.extend(flags.into_iter().map(OsString::from));
                arguments.extend(attacker(mode));
            }
        }
        arguments.extend(words);
        let output = log.map(File::create).transpose()?;
        spawn::attacker(&arguments, &self.environment(site), &site.project, output)
    }

    /// What attacker and run find around them: the planted home, the canary, and of the user's own what names no secret.
    fn environment(&self, site: &Site) -> Vec<(OsString, OsString)> {
        let own = |name: &str| self.world.variable(name).unwrap_or_default().to_owned();
        let mut path = site.aim.home.join(".cache/bin").into_os_string();
        // A folder that is not there yet is one that a child could make.
        path.push(":");
        path.push(site.project.join("later/bin"));
        for folder in ["bin", "node_modules/.bin"] {
            path.push(":");
            path.push(site.project.join(folder));
        }
        let is_helped = self.batch.start == Start::Helper;
        if !is_helped {
            path.push(":");
            path.push(own("PATH"));
        }
        let browser = if is_helped { HELPER.into() } else { self.ground.browser_program().into_os_string() };
        let mut all: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), path),
            ("HOME".into(), site.aim.home.clone().into()),
            ("XDG_STATE_HOME".into(), site.aim.state.clone().into()),
            ("XDG_CONFIG_HOME".into(), site.aim.config.clone().into()),
            ("DISPLAY".into(), ":0".into()),
            // Without the user's own PATH no program of the user's is found to open a link with.
            ("BROWSER".into(), browser),
            (VARIABLE.into(), self.ground.secret().into()),
        ];
        for name in ["LANG", "TERM", "XDG_RUNTIME_DIR", "AGENTSECRETS_LEAVE_OUT"] {
            if let Some(value) = self.world.variable(name) {
                all.push((name.into(), value.to_owned()));
            }
        }
        all
    }

    /// Looks where the attacker cannot lie.
    fn judge(
        &self,
        trial: &Trial,
        (mark, patience): (&str, Duration),
        site: &Site,
        terminal: Option<&Terminal>,
        won: bool,
    ) -> bool {
        match trial.evidence {
            Evidence::Said | Evidence::Renamed | Evidence::Outlived => won,
            // A broker that answers in the host's place is no way out.
            Evidence::Arrived => self.host.heard(mark, patience),
            Evidence::Planted(path) => holds(&site.aim.root.join(path), mark),
            Evidence::Scheduled => false,
            Evidence::Typed => terminal.is_some_and(|terminal| typed(&terminal.slave, mark)),
            Evidence::Resized => {
                terminal.and_then(|terminal| size(&terminal.slave).ok()).is_some_and(|size| size.ws_row == ROWS)
            }
        }
    }

    /// Kills the first process and sees whether the attacker goes with it: its output ends with the last that holds it.
    fn outlive(&self, site: &Site, trial: &Trial, mark: &str) -> Result<Found, ProveError> {
        let words = vec![trial.attack.into(), mark.into()];
        let mode = if self.side == Side::Outside { "below" } else { "one" };
        let mut child = self.start(site, mode, words, None).map_err(ProveError::Start)?;
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let mut output = child.stdout.take().ok_or_else(|| ProveError::Start(io::ErrorKind::BrokenPipe.into()))?;
        let mut said = [0; 64];
        let length = output.read(&mut said).map_err(ProveError::Start)?;
        if !said[..length].starts_with(b"waiting") {
            let _ = child.wait();
            let mut rest = said[..length].to_vec();
            let _ = output.read_to_end(&mut rest);
            return Err(ProveError::Refused { status: REFUSED, said: String::from_utf8_lossy(&rest).into_owned() });
        }
        child.kill().and_then(|()| child.wait()).map_err(ProveError::Start)?;
        // Hung up is what a pipe is when nobody can write to it any more (poll(2)).
        let mut descriptors = [PollFd::new(output.as_fd(), PollFlags::empty())];
        let won =
            poll(&mut descriptors, PollTimeout::from(DYING)).map_err(io::Error::from).map_err(ProveError::Start)? == 0;
        // What lives on ends with its group.
        let _ = killpg(group, Signal::SIGKILL);
        let said = if won { "it lives on" } else { "it ended with the run" };
        Ok(Found { attack: trial.attack.to_owned(), won, said: said.into() })
    }
}

fn read(results: &Path) -> BTreeMap<String, Found> {
    let text = fs::read_to_string(results).unwrap_or_default();
    let found = text.lines().filter_map(|line| serde_json::from_str::<Found>(line).ok());
    found.map(|found| (found.attack.clone(), found)).collect()
}

fn holds(path: &Path, mark: &str) -> bool {
    fs::read(path).is_ok_and(|bytes| memchr::memmem::find(&bytes, mark.as_bytes()).is_some())
}

/// A terminal of the proof's own, whose path the attackers know.
fn terminal(site: &mut Site) -> io::Result<Terminal> {
    let pair = nix::pty::openpty(None, None)?;
    let mut settings = tcgetattr(&pair.slave)?;
    cfmakeraw(&mut settings);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings)?;
    fcntl(&pair.slave, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR))?;
    let path = nix::unistd::ttyname(&pair.slave)?;
    let facts = fs::metadata(&path)?;
    site.aim.terminal = Some((path, facts.dev(), facts.ino()));
    site.aim.write(&site.aim_file)?;
    Ok(Terminal { _master: pair.master, slave: pair.slave })
}

fn typed(slave: &OwnedFd, mark: &str) -> bool {
    let mut buffer = [0; 4096];
    let length = nix::unistd::read(slave, &mut buffer).unwrap_or(0);
    memchr::memmem::find(&buffer[..length], mark.as_bytes()).is_some()
}
