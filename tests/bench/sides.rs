//! The client's work on both sides, directly and as the command of a run, and what is seen of the parent meanwhile.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Run, Running, Upstream, fresh_key, place};

/// The host that a key is bound to.
pub(crate) const HOST: &str = "api.openai.com";

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
pub(crate) enum Side {
    Direct,
    Brokered,
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
pub(crate) fn work_with<T>(
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
    let checkpoints = match work {
        "connections" | "h2-streams" | "idle" => vec!["start".to_owned(), "end".to_owned()],
        "soak" => (0..count).map(|second| second.to_string()).collect(),
        _ => Vec::new(),
    };
    for name in checkpoints {
        running.wait_for(&format!("at {name}\n"));
        seen.push(look(&running));
        running.write(b"go on\n");
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
pub(crate) fn compare(host: &str, kind: &str, count: usize, figure: &str) -> (f64, f64, [usize; 2]) {
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

/// The middle one.
pub(crate) fn middle(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A field of `proc_pid_status(5)` of the parent; sizes are in KiB.
pub(crate) fn status(running: &Running, field: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The CPU time of the parent so far, in seconds; `proc_pid_stat(5)`, fields 14 and 15.
pub(crate) fn processor_time(running: &Running) -> f64 {
    processor_time_of(running.pid().as_raw().cast_unsigned())
}

/// The same, of any process.
pub(crate) fn processor_time_of(process: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}
