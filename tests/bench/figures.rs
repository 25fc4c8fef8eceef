//! What is measured, and against which budget.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::figure::{Count, Figure, heading, settled};
use crate::log::log;
use crate::projects::projects;
use crate::redactor::redactor;
use crate::sides::{HOST, Side, compare, middle, processor_time, status, work_with};
use crate::soak::soak;
use crate::support::Run;
use crate::terminal::terminal;

/// One measurement; it may give more than one figure.
type Measurement = fn() -> Vec<Figure>;

/// All that is measured in a few seconds each.
const ALL: &[(&str, Measurement)] = &[
    ("startup", startup),
    ("projects", projects),
    ("keep-alive", keep_alive),
    ("connections", connections),
    ("h2-streams", streams),
    ("fresh", fresh),
    ("distant", distant),
    ("download", || transfer("download", HOST, "download, bound host", 0.5)),
    // What the design gives no budget for: the broker decodes, which the client is spared; ours is that of any download.
    ("download-gzip", || transfer_of("download-gzip", HOST, 128, "download in gzip, bound host", 0.5)),
    ("upload", || transfer("upload", HOST, "upload, bound host", 0.5)),
    ("tunnel", || transfer("download", "unbound.example", "download, opaque tunnel", 0.8)),
    ("python", python),
    ("events", events),
    ("idle", idle),
    ("redactor", redactor),
    ("terminal", terminal),
    ("log", log),
];

/// Measures what has one of `words` in its name and prints the table; with `check` beyond a limit anew.
///
/// The soak is part of all for `seconds` only.
pub(crate) fn measure(words: &[&str], seconds: Option<usize>, check: bool) -> Count {
    let mut count = Count::default();
    let mut tell = |take: &dyn Fn() -> Vec<Figure>| {
        for figure in settled(check, take) {
            count.add(figure.verdict());
            println!("{figure}");
        }
    };
    println!("{}", heading());
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    for (_, take) in ALL.iter().filter(|(name, _)| is_wanted(name)) {
        tell(take);
    }
    if let Some(seconds) = seconds.filter(|_| is_wanted("soak")) {
        tell(&|| soak(seconds));
    }
    println!("{count}");
    count
}

/// The processor time used so far, in milliseconds.
pub(crate) fn spent(who: UsageWho) -> f64 {
    let usage = getrusage(who).unwrap();
    (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e3
}

/// Wall and processor time of one command, in milliseconds; the latter of all that it started and waited for.
fn timed(run: &Run) -> [f64; 2] {
    let mut command = run.command_line();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let (before, start) = (spent(UsageWho::RUSAGE_CHILDREN), Instant::now());
    assert!(command.status().unwrap().success(), "{command:?}");
    [start.elapsed().as_secs_f64() * 1e3, spent(UsageWho::RUSAGE_CHILDREN) - before]
}

/// Each of `runs` in turns, `times` times: for each the least and the middle of its wall time, and the middle of its
/// processor time.
pub(crate) fn in_turns<const COUNT: usize>(runs: [&Run; COUNT], times: usize) -> [[f64; 3]; COUNT] {
    let mut taken = [(); COUNT].map(|()| [Vec::new(), Vec::new()]);
    for _ in 0..times {
        for (run, [wall, processor]) in runs.iter().zip(&mut taken) {
            let [took, spent] = timed(run);
            wall.push(took);
            processor.push(spent);
        }
    }
    taken.map(|[mut wall, mut processor]| {
        let (middle_wall, middle_processor) = (middle(&mut wall), middle(&mut processor));
        [wall[0], middle_wall, middle_processor]
    })
}

fn startup() -> Vec<Figure> {
    const DOTENV: &str = "OPENAI_API_KEY=sk-proj-a-small-project\n";
    let wrapped = || Run::new().flag("--quiet").dotenv(DOTENV).unobserved().args(["/bin/true"]);
    let plain = Run::new().program("/bin/true").verb(["--"; 0]).unobserved();
    let (small, large) = (wrapped(), wrapped());
    for number in 0..10_000 {
        let folder = large.world().project().join(format!("folder-{}", number / 100));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(number.to_string()), "").unwrap();
    }
    let [[plain_least, plain, _], [least, small, processor], [_, large, _]] = in_turns([&plain, &small, &large], 60);
    let running = Run::new().flag("--quiet").unobserved().shell("echo up; read x").input("").start();
    running.wait_for("up");
    let memory = status(&running, "VmHWM:") / 1024.0;
    running.finish();
    let note = format!("plain {plain:.1} ms, run {small:.1} ms");
    let best = format!("plain {plain_least:.1} ms, run {least:.1} ms");
    vec![
        // The budget is of a machine at rest. Beside other work a start waits a dozen times for its turn, and takes five
        // times as long even at best: so time that it waits is bounded loosely and time that it works is bounded closely.
        Figure::at_most("start-up added", small - plain, "ms", 10.0).within(f64::INFINITY).note(note),
        Figure::at_most("start-up added, at best", least - plain_least, "ms", 10.0).within(10.0).note(best),
        Figure::at_most("processor time of a start", processor, "ms", 25.0),
        Figure::told("walk of 10,000 files", large - small, "ms").note("reported apart".to_owned()),
        Figure::at_most("peak RSS of the parent", memory, "MiB", 16.0).strictly(),
    ]
}

fn keep_alive() -> Vec<Figure> {
    let (direct, brokered, connections) = compare(HOST, "sequence", 3000, "p50");
    assert_eq!(connections, [1, 1]);
    let note = format!("p50 {direct:.0} us directly, {brokered:.0} us brokered");
    vec![Figure::at_most("keep-alive request", brokered / direct, "x", 2.0).note(note)]
}

fn connections() -> Vec<Figure> {
    let count = 16_000;
    let (direct, brokered, connections) = compare(HOST, "connections", count, "rate");
    assert_eq!(connections[0], 16);
    assert!((1..=16).contains(&connections[1]), "{} upstream connections", connections[1]);
    let mut each: Vec<f64> = (0..3)
        .map(|_| {
            let (_, times, _) = work_with(Side::Brokered, HOST, "connections", count, processor_time);
            (times[1] - times[0]) / count as f64 * 1e6
        })
        .collect();
    let note = format!("{direct:.0} and {brokered:.0} requests a second");
    vec![
        Figure::at_least("16 connections", brokered / direct, "x", 0.25).note(note),
        // A core that others use, too, has a colder cache: the same request has taken from 68 to 104 us.
        Figure::at_most("CPU of the parent a request", middle(&mut each), "us", 60.0).within(2.5),
    ]
}

fn streams() -> Vec<Figure> {
    let (direct, brokered, connections) = compare(HOST, "h2-streams", 16_000, "rate");
    assert_eq!(connections[0], 1);
    let note = format!("{direct:.0} and {brokered:.0} requests a second, {} upstream", connections[1]);
    vec![Figure::at_least("HTTP/2, 16 streams", brokered / direct, "x", 0.25).note(note)]
}

fn fresh() -> Vec<Figure> {
    let (direct, brokered, connections) = compare(HOST, "fresh", 300, "p50");
    assert_eq!(connections[0], 300);
    let note = format!("p50 {direct:.0} and {brokered:.0} us, {} upstream connections", connections[1]);
    vec![Figure::at_most("new connection a request", brokered / direct, "x", 1.8).note(note)]
}

/// With the upstream 20 ms away, the pooled connection of the broker saves what the handshakes would cost.
fn distant() -> Vec<Figure> {
    let (direct, brokered, connections) = compare(HOST, "distant", 40, "p50");
    assert_eq!(connections[0], 40);
    let note = format!("p50 {direct:.0} and {brokered:.0} us, {} upstream connections", connections[1]);
    // Most of it is distance, which no load changes.
    vec![Figure::at_most("the same, 20 ms away", brokered / direct, "x", 1.0).strictly().note(note)]
}

fn python() -> Vec<Figure> {
    let (direct, brokered, _) = compare(HOST, "python", 256, "rate");
    let note = format!("{direct:.0} and {brokered:.0} MiB a second");
    vec![Figure::at_least("download by Python", brokered / direct, "x", 0.9).note(note)]
}

fn transfer(kind: &str, host: &str, what: &'static str, budget: f64) -> Vec<Figure> {
    transfer_of(kind, host, 512, what, budget)
}

/// `count` is in MiB.
fn transfer_of(kind: &str, host: &str, count: usize, what: &'static str, budget: f64) -> Vec<Figure> {
    let (direct, brokered, _) = compare(host, kind, count, "rate");
    let note = format!("{direct:.0} and {brokered:.0} MiB a second");
    vec![Figure::at_least(what, brokered / direct, "x", budget).note(note)]
}

fn events() -> Vec<Figure> {
    let (direct, brokered, _) = compare(HOST, "events", 500, "p99");
    let note = format!("p99 {direct:.0} and {brokered:.0} us");
    let added = (brokered - direct) / 1e3;
    // One in a hundred waits for whoever else has the core, some milliseconds at a time. What must not come unseen is an
    // event that waits for a buffer to fill or for an acknowledgement: 30 ms and more.
    vec![Figure::at_most("delay added to an event, p99", added, "ms", 0.5).within(20.0).note(note)]
}

fn idle() -> Vec<Figure> {
    let count = 500;
    let (_, sizes, _) = work_with(Side::Brokered, HOST, "idle", count, |running| status(running, "VmRSS:"));
    let each = (sizes[1] - sizes[0]) / count as f64;
    vec![Figure::at_most("memory an idle connection", each, "KiB", 64.0).strictly()]
}
