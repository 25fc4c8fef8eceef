//! One core's way through text, by its own time, whoever else has the core meanwhile.

use std::convert::Infallible;
use std::fmt::Write as _;

use agentsecrets::proxy::{RedactionStream, Redactor};
use agentsecrets::secret::{Placeholder, Secret, SecretName, Table};
use base64::Engine as _;
use bytes::Bytes;
use nix::sys::resource::UsageWho;

use crate::figure::Figure;
use crate::figures::spent;
use crate::sides::middle;
use crate::support::{fresh_key, hex};

/// How much of a text comes at once.
const CHUNK: usize = 16 << 10;
/// The text that is sent over and over.
const TEXT: usize = 16 << 20;

/// What begins an escape or ends a line: in a text without them nothing but the forms is looked for that can be listed.
const BEGINNINGS: &[u8] = b"\\%&+\r\n";

/// For one secret and for fifty, in all forms: through what looks like nothing, through what services send, and through
/// what nearly is a value.
pub(crate) fn redactor() -> Vec<Figure> {
    let noise: Vec<u8> = (0..TEXT).map(|place| b' ' + (place * place % 95) as u8).collect();
    let plain: Vec<u8> = noise.iter().map(|byte| if BEGINNINGS.contains(byte) { b'x' } else { *byte }).collect();
    let (noise, plain) = (Bytes::from(noise), Bytes::from(plain));
    let (one, _) = redactor_of(1);
    let (fifty, keys) = redactor_of(50);
    let (benign, adversarial) = (repeated(&events()), repeated(&near_matches(&keys)));
    let short = rate(&fifty, &adversarial, 4, 3);
    let long = rate(&fifty, &adversarial, 64, 1);
    let figure = |what, rate, budget| Figure::at_least(what, rate, "GB/s", budget).strictly();
    vec![
        figure("redactor, one secret", rate(&one, &plain, 16, 5), 2.0),
        // A byte in sixteen of this text may begin an escape, and is looked at.
        figure("one secret, text with escapes", rate(&one, &noise, 4, 5), 0.7),
        figure("redactor, 50 secrets", rate(&fifty, &noise, 4, 5), 0.7),
        figure("the same, benign gigabyte", rate(&fifty, &benign, 64, 1), 0.7),
        figure("the same, adversarial gigabyte", long, ADVERSARIAL),
        // More than linear work would show: it is sixteen times as long.
        Figure::at_most("a byte of it over one of 64 MB", short / long, "x", 1.0)
            .within(1.5)
            .note(format!("{short:.3} and {long:.3} GB/s")),
    ]
}

/// What is held of the worst that a text can do: each line is a value but for its last character.
const ADVERSARIAL: f64 = 0.05;

fn redactor_of(count: usize) -> (Redactor, Vec<String>) {
    let mut table = Table::default();
    let keys: Vec<String> = (0..count).map(|_| fresh_key("sk-proj-")).collect();
    for (number, value) in keys.iter().enumerate() {
        let name = SecretName::new(format!("SECRET_{number}")).unwrap();
        let placeholder = || Ok::<_, Infallible>(Placeholder::from_minted(value.to_ascii_uppercase()));
        table.insert(name, Secret::new(value.clone().into_bytes()), placeholder).unwrap();
    }
    (Redactor::new(&table), keys)
}

/// Gigabytes a second through `text`, sent `times` times; the middle of some takes. Nothing in it is a value.
fn rate(redactor: &Redactor, text: &Bytes, times: usize, takes: usize) -> f64 {
    let take = |_| {
        let (mut stream, mut passed, start) = (redactor.stream(), 0, spent(UsageWho::RUSAGE_THREAD));
        for _ in 0..times {
            for place in (0..text.len()).step_by(CHUNK) {
                passed += stream.push(text.slice(place..place + CHUNK)).len();
            }
        }
        passed += stream.finish().len();
        assert_eq!(passed, times * text.len());
        assert_eq!(RedactionStream::counts(&stream).count(), 0);
        passed as f64 / 1e6 / (spent(UsageWho::RUSAGE_THREAD) - start)
    };
    middle(&mut (0..takes).map(take).collect::<Vec<f64>>())
}

fn repeated(text: &str) -> Bytes {
    text.bytes().cycle().take(TEXT).collect::<Vec<u8>>().into()
}

/// A model's answer as it is streamed, with escapes of JSON, URLs and a page in it.
fn events() -> String {
    let mut text = String::new();
    for number in 0..500 {
        let words =
            "an answer of some words \\\"quoted\\\", a line\\n and <a href=\\\"https:\\/\\/a.example\\/?q=a%20b\\\">";
        let _ =
            write!(text, "data: {{\"id\":\"chatcmpl-{number:08x}\",\"delta\":{{\"content\":\"{words}&amp;\"}}}}\n\n");
    }
    text
}

/// Each form of each key without its last character.
fn near_matches(keys: &[String]) -> String {
    let mut text = String::new();
    for key in keys {
        let near = &key[..key.len() - 1];
        let mut each = |write: &dyn Fn(u8) -> String| {
            let _ = writeln!(text, "{}", near.bytes().map(write).collect::<String>());
        };
        each(&|byte| char::from(byte).into());
        each(&|byte| format!("\\u{byte:04x}"));
        each(&|byte| if byte % 2 == 0 { format!("\\u{byte:04X}") } else { char::from(byte).into() });
        each(&|byte| format!("%{byte:02X}"));
        each(&|byte| if byte % 2 == 0 { format!("%{byte:02x}") } else { char::from(byte).into() });
        each(&|byte| format!("&#{byte};"));
        each(&|byte| hex(&[byte]));
        each(&|byte| format!("{}\0", char::from(byte)));
        each(&|byte| format!("{}\0\0\0", char::from(byte)));
        for before in ["", "x", "xy"] {
            let whole = base64::engine::general_purpose::STANDARD_NO_PAD.encode(format!("{before}{near}"));
            let near = &whole[..whole.len() - 2];
            let _ = writeln!(text, "{near}");
            let (first, rest) = near.split_at(near.len() / 2);
            let _ = writeln!(text, "{first}\n{rest}\n{first}\\n{rest}");
        }
    }
    text
}
