//! Runs each attack outside, where it must succeed, and inside a run, where it must not; then the table of mechanisms.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use agentsecrets::attack::{
    ATTACK_VERB, Accomplice, Aim, Control, Evidence, HELPER, KEPT, Need, ROWS, Start, TRIALS, Trial,
};
use agentsecrets::sys::terminal::size;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{Pid, gethostname, sethostname};

use crate::guarded;
use crate::host;
use crate::mechanisms;
use crate::prove;
use crate::support::deadline::PATIENCE;
use crate::support::place::{self, User, users};
use crate::support::remains::Remains;
use crate::support::{Finished, Run, fresh_key};
use crate::trials;

/// Under what the attacker is started.
pub(crate) enum Ground {
    /// Nothing but a parent that holds the value.
    Outside,
    /// The program as it is.
    Inside,
    /// The program without these mechanisms.
    Without(&'static [&'static str]),
    /// The program at the level `guarded`.
    Guarded,
    /// The same without these mechanisms.
    GuardedWithout(&'static [&'static str]),
}

/// The programs of the suite, at places that every user can execute.
pub(crate) struct Programs {
    outside: PathBuf,
    pub(crate) without: PathBuf,
}

/// For how long what the host changes may show inside, in milliseconds; on a machine at rest it is ten.
const WINDOW: u64 = 4_000;

/// What stands in for the program outside: it forgets the flags, takes the value from the command's environment, and
/// stays its parent.
const OUTSIDE: &str = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done; shift\nenv -u INTERNAL_TOKEN \"$@\"\n";

/// Runs what has one of `words` in its name, or all.
pub(crate) fn run(words: &[&str]) -> ExitCode {
    place::root();
    let without = place::example("agentsecrets-without", &["leave-out"]);
    let folder = host::enter();
    let outside = folder.path().join("outside");
    fs::write(&outside, OUTSIDE).unwrap();
    fs::set_permissions(&outside, Permissions::from_mode(0o755)).unwrap();
    let programs = Programs { outside, without };
    let picked = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));

    let (mut passed, mut failed) = (0, 0);
    let mut note = |name: &str, result: Result<String, String>| match result {
        Ok(said) => {
            passed += 1;
            println!("ok      {name}: {said}");
        }
        Err(said) => {
            failed += 1;
            println!("FAILED  {name}: {said}");
        }
    };
    // A keychain is asked on a bus of its own, in the tests of the stores.
    let is_ours = |trial: &&Trial| !trial.guarded_only && trial.needs != Some(Need::Keychain);
    for trial in TRIALS.iter().filter(is_ours).filter(|trial| picked(trial.attack) && trials::is_possible(trial)) {
        for user in users().iter().filter(|user| trials::is_for(trial, **user)) {
            note(&format!("{} as {user:?}", trial.attack), examine(&programs, trial, *user));
        }
    }
    mechanisms::check_table(&mut note);
    for row in mechanisms::TABLE.iter().filter(|row| picked(row.attack) || picked(row.mechanism)) {
        let Some(user) = row.user() else { continue };
        note(&format!("without {}", row.mechanism), row.examine(&programs, user, &Ground::Without(row.left_out)));
    }
    guarded::run(&programs, picked, &mut note);
    if picked("prove") {
        prove::run(&programs, &mut note);
    }
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn examine(programs: &Programs, trial: &Trial, user: User) -> Result<String, String> {
    if matches!(trial.control, Control::Outside) && !wins(programs, trial, user, &Ground::Outside)?.0 {
        return Err(format!("the control lost: {}", wins(programs, trial, user, &Ground::Outside)?.1));
    }
    match wins(programs, trial, user, &Ground::Inside)? {
        (true, said) => Err(format!("it escaped: {said}")),
        (false, said) => Ok(said),
    }
}

/// Attacks once, on that ground; whether the attack won, and what was said.
pub(crate) fn wins(programs: &Programs, trial: &Trial, user: User, ground: &Ground) -> Result<(bool, String), String> {
    let attempt = || attack(programs, trial, user, ground);
    catch_unwind(AssertUnwindSafe(attempt)).map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

fn attack(programs: &Programs, trial: &Trial, user: User, ground: &Ground) -> (bool, String) {
    let mark = fresh_key("mark");
    let name_before = gethostname().unwrap();
    // What the host itself leaves of the value in files is no leak.
    let (mut run, mut aim) = staged(user, matches!(ground, Ground::Inside) && trial.start != Start::WithHost);
    if trial.start == Start::Allowlist {
        run = run.flags(["--egress", "allowlist"]);
    }
    let mut program = match ground {
        Ground::Outside => programs.outside.clone(),
        Ground::Inside | Ground::Guarded => place::agentsecrets().to_owned(),
        Ground::Without(names) | Ground::GuardedWithout(names) => {
            run = run.variable("AGENTSECRETS_LEAVE_OUT", names.join(","));
            programs.without.clone()
        }
    };
    if matches!(ground, Ground::Guarded | Ground::GuardedWithout(_)) {
        run = run.flags(["--isolation", "guarded", "--allow-readable-dotenv"]);
    }
    if trial.start == Start::OwnCopy {
        let copy = run.world().project().join("agentsecrets");
        fs::copy(&program, &copy).unwrap();
        program = copy;
    }
    let terminal = (trial.start == Start::Terminal).then(|| terminal(user));
    let mut wrapper = trials::wrapper(trial.start);
    if let Some((_, _, path)) = &terminal {
        let facts = fs::metadata(path).unwrap();
        aim.terminal = Some((path.clone(), facts.dev(), facts.ino()));
        wrapper = format!("exec setsid --ctty --wait {{}} \"$@\" <{}", path.display());
    }
    run = if wrapper.is_empty() {
        run.program(program)
    } else {
        run.stand_in(&wrapper.replace("{}", program.to_str().unwrap()))
    };
    if trial.start == Start::Kept {
        aim.earlier_run = Some(keep(&run, user));
    }
    if trial.start == Start::Helper {
        run = run.variable("BROWSER", HELPER);
    }
    if !matches!(ground, Ground::Outside) {
        aim.window = WINDOW;
    }
    let place = run.world().project().join("aim.json");
    aim.write(&place).unwrap();
    let line: String = aim.backwards.chars().rev().collect();
    let line = format!("INTERNAL_TOKEN={line}\n");
    let accomplice = (trial.start == Start::WithHost).then(|| Accomplice::start(&aim, &line).unwrap());
    let attacker = place::agentsecrets().to_str().unwrap();
    let run = run.unobserved().args([attacker, ATTACK_VERB, place.to_str().unwrap(), "one", trial.attack, &mark]);
    if matches!(trial.evidence, Evidence::Outlived) {
        return outlived(run);
    }
    let finished = run.run();
    drop(accomplice);
    // What never comes must be waited for too: the attacker is gone, its bytes have no distance to travel.
    let patience = match ground {
        Ground::Inside | Ground::Guarded => Duration::from_millis(200),
        Ground::Outside | Ground::Without(_) | Ground::GuardedWithout(_) => PATIENCE,
    };
    let won = match trial.evidence {
        Evidence::Said => finished.stdout().contains("won: "),
        Evidence::Arrived => host::arrives(mark.as_bytes(), patience),
        Evidence::Planted(path) => holds(&finished.world().root().join(path), &mark),
        Evidence::Scheduled => host::has_job(&mark),
        Evidence::Typed => typed(&terminal.unwrap().1, &mark),
        Evidence::Resized => size(&terminal.unwrap().1).unwrap().ws_row == ROWS,
        Evidence::Renamed => gethostname().unwrap().to_string_lossy() == mark,
        Evidence::Outlived => unreachable!("judged above"),
    };
    // What an attack that won has done to this host.
    let _ = sethostname(name_before);
    let _ = umount2(&finished.world().project().join("packages"), MntFlags::MNT_DETACH);
    (won, last_words(&finished))
}

fn last_words(finished: &Finished) -> String {
    let said = finished.stdout();
    let line = said.lines().find(|line| line.starts_with("won: ") || line.starts_with("lost: "));
    match line {
        Some(line) => line.to_owned(),
        None => format!("status {}, {said}{}", finished.code(), finished.stderr().trim()),
    }
}

fn holds(path: &Path, mark: &str) -> bool {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.is_ok() && memchr::memmem::find(&bytes, mark.as_bytes()).is_some()
}

/// A world with a secret in each place that is masked or hidden, and a socket in each that is not the seal's own.
fn staged(user: User, declares: bool) -> (Run, Aim) {
    let key = fresh_key("");
    let mut run = Run::new().user(user).variable("INTERNAL_TOKEN", &key);
    run = run.variable("DISPLAY", ":0").variable("BROWSER", host::browser());
    if declares {
        run = run.declare("INTERNAL_TOKEN", &key);
    }
    let line = format!("INTERNAL_TOKEN={key}\n");
    run = run.dotenv(&line).project_file("packages/deep/.env.local", &line).project_file(".git/hooks/README", "none\n");
    run =
        run.project_file(".git/config", "[core]\n\thooksPath = tools/hooks\n[include]\n\tpath = ../shared.gitconfig\n");
    run = run.project_file("tools/hooks/README", "none\n").project_file("shared.gitconfig", "# none\n");
    for name in [".env.bak", ".env~", ".env.swp", "#.env#", ".#env"] {
        run = run.project_file(name, &line);
    }
    run = run.home_file(".aws/credentials", &line).home_file(".ssh/id_ed25519", &line).home_file(".bashrc", "# mine\n");
    run = run.home_file(".cache/bin/tool", "").config_file("canary", &line);
    let world = run.world();
    for folder in ["bin", "node_modules/.bin"] {
        fs::create_dir_all(world.project().join(folder)).unwrap();
    }
    fs::copy(host::browser(), world.project().join("bin").join(HELPER)).unwrap();
    fs::create_dir_all(world.state().join("agentsecrets")).unwrap();
    fs::write(world.state().join("agentsecrets/canary"), &line).unwrap();
    symlink(".env", world.project().join("link-to-dotenv")).unwrap();
    fs::hard_link(world.project().join(".env"), world.project().join("hard-link-to-dotenv")).unwrap();
    for folder in [world.home(), world.project(), world.home().join(".cache")] {
        host::serve_unix_at(&folder.join("agent.sock"));
    }
    host::plant_canaries(&line);
    let path = format!(
        "{}:{1}/later/bin:{1}/bin:{1}/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        world.home().join(".cache/bin").display(),
        world.project().display()
    );
    let aim = Aim {
        backwards: key.chars().rev().collect(),
        root: run.world().root().to_owned(),
        home: run.world().home(),
        state: run.world().state(),
        config: run.world().config(),
        sockets: host::sockets().to_owned(),
        internet: host::PUBLIC,
        internet_v6: host::PUBLIC_V6,
        link_local: std::net::SocketAddrV6::new(host::LINK_LOCAL, host::OTHER_PORT, 0, 1),
        lan: host::LAN,
        metadata: host::METADATA,
        other_port: host::OTHER_PORT,
        host_port: host::HOST_PORT,
        abstract_name: host::ABSTRACT.to_owned(),
        canary: host::CANARY.to_owned(),
        segment: host::SEGMENT,
        key: host::KEY.to_str().unwrap().to_owned(),
        terminal: None,
        window: 0,
        earlier_run: None,
        keychain: None,
    };
    (run.variable("PATH", path), aim)
}

/// Keeps a secret in the user's own store and makes a run, long before the attack; the run's id.
fn keep(run: &Run, user: User) -> String {
    let world = run.world();
    place::give(world.root(), user);
    let own = |run: Run| {
        let run = run.user(user).variable("HOME", world.home()).variable("XDG_STATE_HOME", world.state());
        run.variable("XDG_CONFIG_HOME", world.config()).unobserved().run().succeeded()
    };
    let host = format!("127.0.0.1:{}", host::HOST_PORT);
    let value = format!("{KEPT}={}", fresh_key("kept"));
    own(Run::new().verb(["secrets"]).flags(["set", &value, "--store", "file", "--host", &host]));
    own(Run::at("none").args(["true"]));
    let logs = fs::read_dir(world.state().join("agentsecrets/runs")).unwrap().flatten();
    logs.into_iter().find_map(|log| Some(log.file_name().to_str()?.strip_suffix(".jsonl")?.to_owned())).unwrap()
}

/// A pseudo-terminal for the run's stdin; the master is kept open, the slave is read afterwards.
fn terminal(user: User) -> (OwnedFd, OwnedFd, PathBuf) {
    let pair = nix::pty::openpty(None, None).unwrap();
    let mut settings = tcgetattr(&pair.slave).unwrap();
    cfmakeraw(&mut settings);
    tcsetattr(&pair.slave, SetArg::TCSANOW, &settings).unwrap();
    fcntl(&pair.slave, FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR)).unwrap();
    let path = nix::unistd::ttyname(&pair.slave).unwrap();
    if let Some(id) = user.id() {
        std::os::unix::fs::chown(&path, Some(id), None).unwrap();
    }
    assert!(pair.slave.as_raw_fd() > 2);
    (pair.master, pair.slave, path)
}

fn typed(slave: &OwnedFd, mark: &str) -> bool {
    let mut buffer = [0; 4096];
    let length = nix::unistd::read(slave, &mut buffer).unwrap_or(0);
    memchr::memmem::find(&buffer[..length], mark.as_bytes()).is_some()
}

/// Kills the first process and sees whether the command goes with it.
fn outlived(run: Run) -> (bool, String) {
    let running = run.start();
    running.wait_for("waiting");
    let remains = Remains::of(&running);
    running.signal(Signal::SIGKILL);
    running.wait(PATIENCE).unwrap();
    let left = remains.settle();
    for process in &left {
        let _ = kill(Pid::from_raw(*process), Signal::SIGKILL);
    }
    remains.assert_none();
    (!left.is_empty(), format!("{} processes lived on", left.len()))
}
