//! Holds the plan of the house: who may import whom, where `unsafe` and tokio may stand, how a file begins and ends.
//!
//! Every check is a pure function from a [`House`] to the sentences of what it found, and is tested at the foot of this
//! file against a planted violation: a check that cannot fail holds nothing.
#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[path = "architecture/source.rs"]
mod source;

use source::{Text, rooms_named};

/// What is read from the disk: relative path to text, and the names at the top.
#[derive(Default, Clone)]
struct House {
    files: BTreeMap<String, String>,
    top: Vec<String>,
}

/// Room, and the rooms that it may name. `*` is any room.
const FLOORS: &[(&str, &[&str])] = &[
    ("attack", &["sys"]),
    ("audit", &[]),
    ("cli", &[]),
    ("exit", &[]),
    ("manual", &[]),
    ("secret", &[]),
    ("sys", &[]),
    ("policy", &["secret"]),
    ("source", &["secret"]),
    ("world", &["sys"]),
    ("scrub", &["policy", "secret"]),
    ("mask", &["policy", "secret"]),
    ("sandbox", &["policy", "sys"]),
    ("proxy", &["policy", "secret", "source", "audit"]),
    ("supervise", &["scrub", "sandbox", "sys", "exit"]),
    (
        "plan",
        &["audit", "exit", "mask", "policy", "proxy", "sandbox", "scrub", "secret", "source", "supervise", "world"],
    ),
    ("prove", &["attack", "secret", "source", "supervise", "sys", "world"]),
    (
        "report",
        &[
            "audit",
            "exit",
            "mask",
            "plan",
            "policy",
            "proxy",
            "run",
            "sandbox",
            "scrub",
            "secret",
            "source",
            "supervise",
            "sys",
            "world",
        ],
    ),
    (
        "run",
        &[
            "audit",
            "exit",
            "mask",
            "plan",
            "policy",
            "proxy",
            "report",
            "sandbox",
            "scrub",
            "secret",
            "source",
            "supervise",
            "sys",
            "world",
        ],
    ),
    ("command", &["*"]),
    ("lib", &["*"]),
    ("main", &["*"]),
];
/// The rooms that may wait for something.
const ASYNCHRONOUS: &[&str] = &["proxy", "source", "supervise", "run", "command"];
/// What a newcomer sees first. `target` is cargo's.
const TOP: &[&str] =
    &["Cargo.toml", "Cargo.lock", "README.md", "justfile", "src", "policies", "tests", "examples", "target"];
const FORBIDDEN_WORDS: &[&str] = &["utils", "helpers", "common", "manager"];
/// 30 for the program; one call by number and one gate of 32-bit programs for the attacks that ship in it.
const UNSAFE_BUDGET: usize = 32;
const FILE_LIMIT: usize = 400;
const MAIN_LIMIT: usize = 25;

impl House {
    fn read(root: &Path) -> Self {
        let mut house = Self::default();
        for entry in fs::read_dir(root).unwrap() {
            house.top.push(entry.unwrap().file_name().into_string().unwrap());
        }
        house.files.insert("Cargo.toml".into(), fs::read_to_string(root.join("Cargo.toml")).unwrap());
        for folder in ["src", "tests", "examples"] {
            house.walk(root, &root.join(folder));
        }
        house
    }

    fn walk(&mut self, root: &Path, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    self.walk(root, &path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                self.files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        all.filter(|(name, _)| Path::new(name).extension().is_some_and(|extension| extension == "rs"))
    }

    /// Production code: files of `src` that are not test modules.
    fn production(&self) -> impl Iterator<Item = (&str, Text)> {
        let files = self
            .rust()
            .filter(|(name, _)| name.starts_with("src/") && !name.ends_with("/tests.rs") && !name.contains("/tests/"));
        files.map(|(name, text)| (name, Text::production(text)))
    }
}

/// `src/proxy/tls.rs` stands in `proxy`, `src/plan.rs` in `plan`.
fn room_of(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs")
}

fn floors(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in house.production() {
        let room = room_of(name);
        let Some((_, allowed)) = FLOORS.iter().find(|(known, _)| *known == room) else {
            found.push(format!("{name}: `{room}` is no room of the house"));
            continue;
        };
        for other in rooms_named(&text, name) {
            let known = FLOORS.iter().any(|(known, _)| *known == other);
            if known && other != room && !allowed.contains(&"*") && !allowed.contains(&other.as_str()) {
                found.push(format!("{name}: `{room}` may not import `{other}`"));
            }
        }
    }
    found
}

fn unsafe_stays_in_sys(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    let mut blocks = 0;
    for (name, text) in house.rust() {
        let count = Text::whole(text).words("unsafe");
        if name.starts_with("src/sys") {
            blocks += count;
        } else if count > 0 && !name.starts_with("tests/escape/") {
            found.push(format!("{name}: `unsafe` outside src/sys"));
        }
    }
    if blocks > UNSAFE_BUDGET {
        found.push(format!("src/sys: {blocks} uses of `unsafe`, the budget is {UNSAFE_BUDGET}"));
    }
    found
}

fn tokio_stays_in_its_rooms(house: &House) -> Vec<String> {
    let waits = |text: &Text| text.words("tokio") + text.words("tokio_rustls") + text.words("hyper_util") > 0;
    let files = house.production().filter(|(name, text)| waits(text) && !ASYNCHRONOUS.contains(&room_of(name)));
    files.map(|(name, _)| format!("{name}: tokio outside {ASYNCHRONOUS:?}")).collect()
}

fn files_say_their_job(house: &House) -> Vec<String> {
    let silent = house.rust().filter(|(_, text)| !text.starts_with("//! "));
    silent.map(|(name, _)| format!("{name}: does not open with `//! ` and its job")).collect()
}

fn files_stay_short(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in house.rust() {
        let limit = if name == "src/main.rs" { MAIN_LIMIT } else { FILE_LIMIT };
        let lines = text.lines().count();
        if lines > limit {
            found.push(format!("{name}: {lines} lines, the limit is {limit}"));
        }
    }
    found
}

fn names_say_something(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    for (name, _) in house.rust() {
        for word in name.split(['/', '_', '-', '.']).filter(|word| FORBIDDEN_WORDS.contains(word)) {
            found.push(format!("{name}: `{word}` says nothing"));
        }
    }
    found
}

fn top_is_known(house: &House) -> Vec<String> {
    let strange = house.top.iter().filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()));
    strange.map(|name| format!("{name}: not an entry of the top level")).collect()
}

/// A dependency has its own comment above it, or follows directly a sibling whose name begins its own
/// (`http`, `http-body`; `serde`, `serde_json`).
fn dependencies_are_argued(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    let (mut inside, mut argued, mut sibling) = (false, false, String::new());
    for line in house.files.get("Cargo.toml").map_or("", String::as_str).lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
            (argued, sibling) = (false, String::new());
        } else if inside && line.starts_with('#') {
            argued = line.trim_start_matches('#').split_whitespace().count() >= 3;
        } else if let Some((name, _)) = line.split_once('=').filter(|_| inside) {
            let name = name.trim().split('.').next().unwrap_or_default();
            let follows = !sibling.is_empty() && name.starts_with(&sibling);
            if !argued && !follows {
                found.push(format!("Cargo.toml: `{name}` stands without an argument above it"));
            }
            if argued {
                name.clone_into(&mut sibling);
            }
            argued = false;
        }
    }
    found
}

/// The manual names tests and attacks: each must exist. A test has `::` in its name, an attack words with `-` between.
fn manual_names_what_exists(house: &House) -> Vec<String> {
    let mut found = Vec::new();
    let attacks = house.files.get("src/attack/trials.rs").map_or("", String::as_str);
    for page in ["src/manual/promises.rs", "src/manual/peers.rs"] {
        // Links into the code are rustdoc's to check.
        let is_link = |name: &str| name.starts_with("crate::") || name.starts_with("super::");
        let rows = house.files.get(page).map_or("", String::as_str).lines().filter(|line| line.starts_with("//! | "));
        for name in rows.flat_map(|row| row.split('`').skip(1).step_by(2)) {
            let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            let exists = match name.rsplit_once("::") {
                Some(_) if is_link(name) => true,
                Some((_, test)) if name.starts_with(|first: char| first.is_ascii_lowercase()) => {
                    let function = format!("fn {test}(");
                    house.files.values().any(|text| text.contains(&function))
                }
                None if name.contains('-') && name.bytes().all(is_word) => attacks.contains(&format!("\"{name}\"")),
                _ => true,
            };
            if !exists {
                found.push(format!("{page}: there is no `{name}`"));
            }
        }
    }
    found
}

type Check = fn(&House) -> Vec<String>;
const CHECKS: &[(&str, Check)] = &[
    ("floors", floors),
    ("unsafe", unsafe_stays_in_sys),
    ("tokio", tokio_stays_in_its_rooms),
    ("first line", files_say_their_job),
    ("length", files_stay_short),
    ("names", names_say_something),
    ("top level", top_is_known),
    ("dependencies", dependencies_are_argued),
    ("manual", manual_names_what_exists),
];

#[test]
fn the_house_stands_as_planned() {
    let house = House::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(house.production().count() > 20, "the sources were not found");
    let found: Vec<String> = CHECKS.iter().flat_map(|(_, check)| check(&house)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// A small house without fault.
fn sound() -> House {
    let mut house = House::default();
    let mut add = |name: &str, text: &str| house.files.insert(name.into(), text.into());
    add("src/main.rs", "//! Ends the process.\nfn main() {}\n");
    add("src/policy/mod.rs", "//! Policy.\nuse crate::secret::Secret;\nuse super::policy::Host;\n");
    add("src/sys/mod.rs", "//! Calls.\nfn call() { unsafe { } }\n");
    add("src/proxy/tls.rs", "//! TLS.\nuse crate::{audit::Event, policy::{Host, run}};\nuse tokio::net::TcpStream;\n");
    add(
        "src/scrub/mod.rs",
        "//! See [`crate::run`].\nfn text() -> &'static str { \"crate::run unsafe\" }\n#[cfg(test)]\nmod tests {\n    use crate::run::Run;\n}\n",
    );
    add("Cargo.toml", "[dependencies]\n# The types of HTTP.\nhttp = \"1\"\nhttp-body = \"1\"\n\n[lints]\nx = 1\n");
    house.top = ["Cargo.toml", "src", "target", ".ci"].map(String::from).to_vec();
    house
}

#[test]
fn a_sound_house_passes_every_check() {
    for (name, check) in CHECKS {
        assert_eq!(check(&sound()), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn each_check_finds_its_planted_violation() {
    let long = format!("//! Long.\n{}", "\n".repeat(FILE_LIMIT));
    let long_main = format!("//! Long.\n{}", "\n".repeat(MAIN_LIMIT));
    let unsafes = format!("//! Calls.\n{}", "fn f() { unsafe {} }\n".repeat(UNSAFE_BUDGET + 1));
    let plants: &[(&str, &str, &str)] = &[
        ("floors", "src/policy/a.rs", "//! A.\nuse crate::proxy::Broker;\n"),
        ("floors", "src/policy/a.rs", "//! A.\nuse crate::{secret::Secret, proxy::Broker};\n"),
        ("floors", "src/policy/a.rs", "//! A.\nuse crate::{\n    secret::{Secret, Table},\n    run,\n};\n"),
        ("floors", "src/policy/a.rs", "//! A.\nfn f(x: super::super::world::World) {}\n"),
        ("floors", "src/policy/a.rs", "//! A.\nfn f(x: crate::sandbox::Profile) {}\n"),
        ("floors", "src/sandbox/deep/a.rs", "//! A.\nuse super::super::super::proxy::Broker;\n"),
        ("floors", "src/audit/mod.rs", "//! A.\nuse super::secret::Secret;\n"),
        ("floors", "src/secret/a.rs", "//! A.\n#[cfg(test)]\nmod tests { }\nuse crate::policy::Host;\n"),
        ("floors", "src/attic/mod.rs", "//! A room that nobody planned.\n"),
        ("unsafe", "src/proxy/a.rs", "//! A.\nfn f() { unsafe { g() } }\n"),
        ("unsafe", "tests/main.rs", "//! A.\nfn f() { unsafe { g() } }\n"),
        ("unsafe", "src/sys/a.rs", &unsafes),
        ("tokio", "src/mask/a.rs", "//! A.\nuse tokio::fs;\n"),
        ("tokio", "src/sandbox/a.rs", "//! A.\nfn f(s: tokio_rustls::TlsStream) {}\n"),
        ("first line", "src/proxy/a.rs", "use std::io;\n"),
        ("first line", "tests/a.rs", "// not a module comment\n"),
        ("length", "tests/a.rs", &long),
        ("length", "src/main.rs", &long_main),
        ("names", "src/proxy/utils.rs", "//! A.\n"),
        ("names", "src/session_manager.rs", "//! A.\n"),
        ("names", "tests/common/mod.rs", "//! A.\n"),
        ("manual", "src/manual/promises.rs", "//! A.\n//! | a | `view::no_such_test` |\n"),
        ("manual", "src/manual/peers.rs", "//! A.\n//! | a | `no-such-attack` |\n"),
        ("dependencies", "Cargo.toml", "[dependencies]\nserde = \"1\"\n"),
        ("dependencies", "Cargo.toml", "[dependencies]\n# Types of HTTP.\nhttp = \"1\"\nrand = \"1\"\n"),
        ("dependencies", "Cargo.toml", "[dev-dependencies]\n# no.\nrand = \"1\"\n"),
    ];
    for (name, path, text) in plants {
        let mut house = sound();
        house.files.insert((*path).into(), (*text).into());
        let (_, check) = CHECKS.iter().find(|(known, _)| known == name).unwrap();
        assert_eq!(check(&house).len(), 1, "{name} on {path}:\n{text}\n{:?}", check(&house));
    }
    let mut house = sound();
    house.top.push("docs".into());
    assert_eq!(top_is_known(&house).len(), 1);
}
