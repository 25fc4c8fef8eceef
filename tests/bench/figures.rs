//! What is measured, and against which budget.

use std::convert::Infallible;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use agentsecrets::proxy::Redactor;
use agentsecrets::secret::{Placeholder, Secret, SecretName, Table};
use bytes::Bytes;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::Value;

use crate::support::{Run, Running, Upstream, fresh_key, place};
use crate::terminal::terminal;

const HOST: &str = "api.openai.com";

/// A download by a client that is the bottleneck itself, as an installer is that hashes what it gets: `COUNT HOST
/// [ADDRESS]`, as the other client has it.
const PYTHON: &str = r#"
import hashlib, http.client, json, socket, ssl, sys, time
size, host = int(sys.argv[1]) << 20, sys.argv[2]
address = sys.argv[3].rsplit(":", 1) if len(sys.argv) > 3 else (host, "443")
connection = http.client.HTTPSConnection(host)
stream = socket.create_connection((address[0], int(address[1])))
connection.sock = ssl.create_default_context().wrap_socket(stream, server_hostname=host)
start = time.monotonic()
connection.request("GET", f"/test/download/{size}")
response = connection.getresponse()
got, digests = 0, [hashlib.sha256(), hashlib.md5()]
while piece := response.read(8192):
    got += len(piece)
    for digest in digests:
        digest.update(piece)
assert got == size, got
print(json.dumps({"rate": size / (1 << 20) / (time.monotonic() - start)}))
"#;

/// Which side a measurement is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Direct,
    Brokered,
}

/// A measured figure beside its budget.
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) budget: f64,
    /// Whether more is better.
    pub(crate) more: bool,
    pub(crate) note: String,
}

impl Figure {
    fn is_met(&self) -> bool {
        if self.more { self.value >= self.budget } else { self.value <= self.budget }
    }
}

/// One measurement; it may give more than one figure.
type Measurement = fn() -> Vec<Figure>;

/// Measures what has one of `words` in its name; gives how many budgets were missed.
pub(crate) fn measure(words: &[&str]) -> usize {
    let all: &[(&str, Measurement)] = &[
        ("startup", startup),
        ("keep-alive", keep_alive),
        ("connections", connections),
        ("h2-streams", streams),
        ("fresh", fresh),
        ("distant", distant),
        ("download", || transfer("download", HOST, "download, bound host", 0.5)),
        ("upload", || transfer("upload", HOST, "upload, bound host", 0.5)),
        ("tunnel", || transfer("download", "unbound.example", "download, opaque tunnel", 0.8)),
        ("python", python),
        ("events", events),
        ("idle", idle),
        ("redactor", redactor),
        ("terminal", terminal),
    ];
    let mut missed = 0;
    println!("{:34} {:>10} {:8} {:>10}  {:6} note", "what", "measured", "", "budget", "");
    for (_, take) in all.iter().filter(|(name, _)| words.is_empty() || words.iter().any(|word| name.contains(word))) {
        for figure in take() {
            let verdict = if figure.is_met() { "met" } else { "MISSED" };
            missed += usize::from(!figure.is_met());
            let sign = if figure.more { ">=" } else { "<=" };
            println!(
                "{:34} {:>10.3} {:8} {sign} {:>7.3}  {verdict:6} {}",
                figure.what, figure.value, figure.unit, figure.budget, figure.note
            );
        }
    }
    missed
}

/// The client at its work, on one side.
fn client(side: Side, upstream: &Upstream, host: &str, work: &str, count: usize) -> Running {
    let key = fresh_key("sk-proj-");
    let program = place::published(&std::env::current_exe().unwrap());
    let count = count.to_string();
    let mut command = match work {
        "python" => vec!["/usr/bin/python3", "-c", PYTHON, &count, host],
        _ => vec![program.to_str().unwrap(), "client", work, &count, host],
    };
    let address = upstream.address().to_string();
    let mut run = Run::new().unobserved().variable("OPENAI_API_KEY", &key).input("");
    run = match side {
        Side::Brokered => run.upstream(upstream).flag("--quiet"),
        Side::Direct => {
            command.push(&address);
            run.stand_in("while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"")
        }
    };
    if side == Side::Direct || host != HOST {
        run = run.variable("SSL_CERT_FILE", upstream.authority());
    }
    run.args(&command).start()
}

/// The client's work from its beginning to its figures, with a look at the parent at each checkpoint.
fn work_with<T>(
    side: Side,
    host: &str,
    work: &str,
    count: usize,
    look: impl Fn(&Running) -> T,
) -> (Value, Vec<T>, usize) {
    let mut upstream = Upstream::start([host]);
    upstream.forget_requests();
    if work == "distant" {
        upstream = upstream.at_distance(Duration::from_millis(20));
    }
    let work = if work == "distant" { "fresh" } else { work };
    let mut running = client(side, &upstream, host, work, count);
    let mut seen = Vec::new();
    if matches!(work, "connections" | "h2-streams" | "idle") {
        for name in ["start", "end"] {
            running.wait_for(&format!("at {name}\n"));
            seen.push(look(&running));
            running.write(b"go on\n");
        }
    }
    let finished = running.finish().succeeded();
    let said = finished.stdout();
    (serde_json::from_str(said.lines().last().unwrap()).unwrap(), seen, upstream.connections())
}

fn work(side: Side, host: &str, kind: &str, count: usize, figure: &str) -> (f64, usize) {
    let (figures, _, connections) = work_with(side, host, kind, count, |_| ());
    (figures[figure].as_f64().unwrap(), connections)
}

/// Both sides in turns, three times; the middle of each.
fn compare(host: &str, kind: &str, count: usize, figure: &str) -> (f64, f64, [usize; 2]) {
    let mut values = [Vec::new(), Vec::new()];
    let mut connections = [0, 0];
    for _ in 0..3 {
        for (place, side) in [Side::Direct, Side::Brokered].into_iter().enumerate() {
            let (value, count) = work(side, host, kind, count, figure);
            values[place].push(value);
            connections[place] = count;
        }
    }
    let [direct, brokered] = values.map(|mut side| middle(&mut side));
    (direct, brokered, connections)
}

fn middle(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn status(running: &Running, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The CPU time of the parent so far, in seconds; `proc_pid_stat(5)`, fields 14 and 15.
fn processor_time(running: &Running) -> f64 {
    processor_time_of(running.pid().as_raw().cast_unsigned())
}

/// The same, of any process.
pub(crate) fn processor_time_of(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

/// Wall and processor time of one command, in milliseconds; the latter of all that it started and waited for.
fn timed(run: &Run) -> [f64; 2] {
    let mut command = run.command_line();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e3
    };
    let (before, start) = (spent(), Instant::now());
    assert!(command.status().unwrap().success(), "{command:?}");
    [start.elapsed().as_secs_f64() * 1e3, spent() - before]
}

/// Each of `runs` in turns, `times` times: for each the least and the middle of its wall time, and the middle of its
/// processor time.
fn in_turns<const COUNT: usize>(runs: [&Run; COUNT], times: usize) -> [[f64; 3]; COUNT] {
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
    let note = format!(
        "plain {plain:.1} ms, run {small:.1} ms, at best {plain_least:.1} and {least:.1}; {processor:.1} ms of processor"
    );
    let figure = |what, value, unit, budget, note| Figure { what, value, unit, budget, more: false, note };
    vec![
        figure("start-up added", small - plain, "ms", 10.0, note),
        figure("walk of 10,000 files", large - small, "ms", f64::INFINITY, "reported apart".to_owned()),
        figure("peak RSS of the parent", memory, "MiB", 16.0, String::new()),
    ]
}

fn keep_alive() -> Vec<Figure> {
    let (direct, brokered, connections) = compare(HOST, "sequence", 3000, "p50");
    assert_eq!(connections, [1, 1]);
    let note = format!("p50 {direct:.0} us directly, {brokered:.0} us brokered");
    vec![Figure { what: "keep-alive request", value: brokered / direct, unit: "x", budget: 2.0, more: false, note }]
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
    let each = middle(&mut each);
    let note = format!("{direct:.0} and {brokered:.0} requests a second");
    vec![
        Figure { what: "16 connections", value: brokered / direct, unit: "x", budget: 0.25, more: true, note },
        Figure {
            what: "CPU of the parent a request",
            value: each,
            unit: "us",
            budget: 60.0,
            more: false,
            note: String::new(),
        },
    ]
}

fn streams() -> Vec<Figure> {
    let (direct, brokered, connections) = compare(HOST, "h2-streams", 16_000, "rate");
    assert_eq!(connections[0], 1);
    let note = format!("{direct:.0} and {brokered:.0} requests a second, {} upstream", connections[1]);
    vec![Figure { what: "HTTP/2, 16 streams", value: brokered / direct, unit: "x", budget: 0.25, more: true, note }]
}

fn fresh() -> Vec<Figure> {
    let (direct, brokered, connections) = compare(HOST, "fresh", 300, "p50");
    assert_eq!(connections[0], 300);
    let note = format!("p50 {direct:.0} and {brokered:.0} us, {} upstream connections", connections[1]);
    vec![Figure {
        what: "new connection a request",
        value: brokered / direct,
        unit: "x",
        budget: 1.8,
        more: false,
        note,
    }]
}

/// With the upstream 20 ms away, the pooled connection of the broker saves what the handshakes would cost.
fn distant() -> Vec<Figure> {
    let (direct, brokered, connections) = compare(HOST, "distant", 40, "p50");
    assert_eq!(connections[0], 40);
    let note = format!("p50 {direct:.0} and {brokered:.0} us, {} upstream connections", connections[1]);
    vec![Figure { what: "the same, 20 ms away", value: brokered / direct, unit: "x", budget: 1.0, more: false, note }]
}

fn python() -> Vec<Figure> {
    let (direct, brokered, _) = compare(HOST, "python", 256, "rate");
    let note = format!("{direct:.0} and {brokered:.0} MiB a second");
    vec![Figure { what: "download by Python", value: brokered / direct, unit: "x", budget: 0.9, more: true, note }]
}

fn transfer(kind: &str, host: &str, what: &'static str, budget: f64) -> Vec<Figure> {
    let (direct, brokered, _) = compare(host, kind, 512, "rate");
    let note = format!("{direct:.0} and {brokered:.0} MiB a second");
    vec![Figure { what, value: brokered / direct, unit: "x", budget, more: true, note }]
}

fn events() -> Vec<Figure> {
    let (direct, brokered, _) = compare(HOST, "events", 500, "p99");
    let note = format!("p99 {direct:.0} and {brokered:.0} us");
    let added = (brokered - direct) / 1e3;
    vec![Figure { what: "delay added to an event, p99", value: added, unit: "ms", budget: 0.5, more: false, note }]
}

fn idle() -> Vec<Figure> {
    let count = 500;
    let (_, sizes, _) = work_with(Side::Brokered, HOST, "idle", count, |running| status(running, "VmRSS:"));
    let each = (sizes[1] - sizes[0]) / count as f64;
    vec![Figure {
        what: "memory an idle connection",
        value: each,
        unit: "KiB",
        budget: 64.0,
        more: false,
        note: String::new(),
    }]
}

/// One core's way through text without a secret, for one secret and for fifty, in all forms.
fn redactor() -> Vec<Figure> {
    let text = Bytes::from((0..64 << 20).map(|place: usize| b' ' + (place * place % 95) as u8).collect::<Vec<_>>());
    let rate = |count: usize| {
        let mut table = Table::default();
        for number in 0..count {
            let name = SecretName::new(format!("SECRET_{number}")).unwrap();
            let value = fresh_key("sk-proj-");
            let placeholder = || Ok::<_, Infallible>(Placeholder::from_minted(value.to_ascii_uppercase()));
            table.insert(name, Secret::new(value.clone().into_bytes()), placeholder).unwrap();
        }
        let redactor = Redactor::new(&table);
        let mut rates: Vec<f64> = (0..5)
            .map(|_| {
                let (mut stream, mut passed, start) = (redactor.stream(), 0, Instant::now());
                for place in (0..text.len()).step_by(16 << 10) {
                    passed += stream.push(text.slice(place..place + (16 << 10))).len();
                }
                passed += stream.finish().len();
                assert_eq!(passed, text.len());
                text.len() as f64 / 1e9 / start.elapsed().as_secs_f64()
            })
            .collect();
        middle(&mut rates)
    };
    let figure = |what, value, budget| Figure { what, value, unit: "GB/s", budget, more: true, note: String::new() };
    vec![figure("redactor, one secret", rate(1), 2.0), figure("redactor, 50 secrets", rate(50), 0.7)]
}
