//! What it costs to sum up a long log.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::figure::Figure;
use crate::support::place::agentsecrets;
use crate::support::{Run, Upstream, fresh_key};

/// Half of them decisions, half of them ends.
const RECORDS: u64 = 100_000;

/// `log stats` over one run of many requests.
pub(crate) fn log() -> Vec<Figure> {
    let upstream = Upstream::start(["api.stripe.com"]);
    let run = Run::new().secret("STRIPE_KEY", &fresh_key("sk_live_")).upstream(&upstream).unobserved();
    let script = "curl -s -H \"Authorization: Bearer $STRIPE_KEY\" https://api.stripe.com/test/ok";
    let finished = run.shell(script).run().succeeded();
    let of_kind = |kind: &str| finished.audit_of(kind).into_iter().next().unwrap();
    let (start, mut decision, mut end) = (of_kind("start"), of_kind("decision"), of_kind("end"));
    let mut text = format!("{start}\n");
    for request in 0..RECORDS / 2 {
        decision["seq"] = (2 * request + 2).into();
        (end["seq"], end["request"]) = ((2 * request + 3).into(), decision["seq"].clone());
        writeln!(text, "{decision}\n{end}").unwrap();
    }
    let file =
        fs::read_dir(finished.world().state().join("agentsecrets/runs")).unwrap().next().unwrap().unwrap().path();
    fs::write(file, text).unwrap();
    let (home, state) = (finished.world().home(), finished.world().state());
    let takes: Vec<_> = (0..3).map(|_| stats(&home, &state)).collect();
    let seconds = takes.iter().map(|(taken, _)| taken.as_secs_f64()).fold(f64::INFINITY, f64::min);
    let memory = takes.iter().map(|(_, peak)| *peak).max().unwrap_or_default();
    vec![
        Figure::at_most("log stats, 100,000 records", seconds, "s", 1.0),
        Figure::at_most("its peak RSS", memory as f64 / 1024.0, "MiB", 32.0).strictly(),
    ]
}

/// How long it takes, and the most memory that it holds, in KiB.
fn stats(home: &Path, state: &Path) -> (Duration, u64) {
    let begun = Instant::now();
    let mut command = Command::new(agentsecrets());
    command.args(["log", "stats", "--json"]).env_clear().env("HOME", home).env("XDG_STATE_HOME", state);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak = number.unwrap_or(peak);
        thread::sleep(Duration::from_millis(2));
    }
    let taken = begun.elapsed();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains(&(RECORDS / 2).to_string()), "{text}");
    (taken, peak)
}
