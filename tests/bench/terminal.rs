//! What the child's own terminal costs: the delay of a keystroke's echo, and the rate of the relay.
//!
//! A pseudo-terminal of the kernel is slow by itself, and a relayed byte passes two of them. So the rate is told twice: as
//! what a second of the parent's processor relays, and beside the same bytes through one terminal without us.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::quantile;
use crate::figure::Figure;
use crate::sides::processor_time_of;
use crate::support::Run;
use crate::support::console::{Console, Session};

const BARE: &str = "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"";

/// Each key is written when the one before was echoed.
const KEYS: usize = 1000;

/// How much is shown.
const BYTES: usize = 256 << 20;

/// Both figures.
pub(crate) fn terminal() -> Vec<Figure> {
    let (mut bare, mut wrapped) = (echoes(false), echoes(true));
    let middle = [quantile(&mut bare, 0.5), quantile(&mut wrapped, 0.5)];
    let worst = [quantile(&mut bare, 0.99), quantile(&mut wrapped, 0.99)];
    let note = format!(
        "p50 {:.0} and {:.0} us, p99 {:.0} and {:.0} us, bare and wrapped",
        middle[0], middle[1], worst[0], worst[1]
    );
    let added = (middle[1] - middle[0]) / 1e3;
    // The middle of a thousand; the kernel's scheduler lends a core for some milliseconds, a forgotten timer for more.
    let echo = Figure::at_most("echo of a key, added", added, "ms", 1.0).within(5.0).note(note);

    let (one, _) = shown(false);
    let (two, processor) = shown(true);
    let each = BYTES as f64 / 1e6 / processor;
    let note = format!("{one:.0} MB/s through one terminal, {two:.0} relayed through two");
    let relay = Figure::at_least("relay, by its processor", each, "MB/s", 200.0).note(note);
    let ratio = Figure::at_least("output, beside one terminal", two / one, "x", 0.4);
    vec![echo, relay, ratio]
}

fn run(wrapped: bool) -> Run {
    let run = Run::new().unobserved().flag("--quiet");
    if wrapped { run } else { run.stand_in(BARE) }
}

/// The time from each key to its echo by the line discipline.
fn echoes(wrapped: bool) -> Vec<Duration> {
    let console = Console::start(run(wrapped).shell("echo up; exec cat >/dev/null"), Session::Leader, "\"$W\"");
    console.wait_for("up\r\n");
    if wrapped {
        console.wait_for_settings(false);
    }
    let before = console.shown().len();
    let mut taken = Vec::with_capacity(KEYS);
    for number in 0..KEYS {
        let start = Instant::now();
        console.write(b"x").wait_until("the echo", |shown| shown.len() > before + number);
        taken.push(start.elapsed());
    }
    console.write(b"\n\x04");
    console.finish();
    taken
}

/// How many megabytes a second are shown, and for how many seconds the parent has used a processor.
fn shown(wrapped: bool) -> (f64, f64) {
    let pair = nix::pty::openpty(None, None).unwrap();
    let script = format!(
        "stty raw; printf .; read x; dd if=/dev/zero bs=65536 count={} 2>/dev/null; printf .; read x",
        BYTES >> 16
    );
    let (line, world) = run(wrapped).shell(&script).into_parts();
    let mut command = Command::new("/usr/bin/setsid");
    command.arg("--ctty").arg(line.get_program()).args(line.get_args()).env_clear();
    command.envs(line.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(world.project());
    let stream = || Stdio::from(pair.slave.try_clone().unwrap());
    let mut child = command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap();
    drop((command, pair.slave));
    let mut master = File::from(pair.master);
    let mut buffer = vec![0; 64 << 10];
    assert_eq!(master.read(&mut buffer).unwrap(), 1);
    let before = processor_time_of(child.id());
    nix::unistd::write(&master, b"\n").unwrap();
    let start = Instant::now();
    let mut length = 0;
    while length < BYTES + 1 {
        length += master.read(&mut buffer).unwrap();
    }
    let (taken, used) = (start.elapsed().as_secs_f64(), processor_time_of(child.id()) - before);
    nix::unistd::write(&master, b"\n").unwrap();
    assert!(child.wait().unwrap().success());
    (BYTES as f64 / 1e6 / taken, used)
}
