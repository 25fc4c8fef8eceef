//! The report card: one screen for a person, an array for a program. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::Report;
use super::judge::{Row, Seen, Verdict};
use crate::attack::Group;

/// The card is written for a screen this wide.
const WIDTH: usize = 80;
/// Where the names of attacks begin.
const INDENT: usize = 2;

/// How the text of `inside` begins where the level is said to leave the attack open.
const OPEN: &str = "open by design: ";

/// Every attack as an object: `attack`, `group`, `control`, `inside`, `won`. `won` is null where nothing was proven. Where
/// the level is said to leave the attack open, `inside` begins with `open by design: ` and the reason.
pub fn as_json(report: &Report) -> String {
    let text = |seen: &Seen| match seen {
        Seen::Won(said) => format!("won: {said}"),
        Seen::Lost(said) => format!("lost: {said}"),
        Seen::Impossible(reason) => format!("not possible here: {reason}"),
    };
    let object = |row: &Row| {
        let won = match row.verdict() {
            Verdict::Held | Verdict::Stale => Value::Bool(false),
            Verdict::Escaped | Verdict::Open => Value::Bool(true),
            Verdict::NoControl | Verdict::NotPossible => Value::Null,
        };
        json!({
            "attack": row.attack,
            "group": row.group.name(),
            "control": text(&row.control),
            "inside": row.inside.as_ref().map(|seen| match row.open {
                Some(reason) => format!("{}{reason}; {}", OPEN, text(seen)),
                None => text(seen),
            }),
            "won": won,
        })
    };
    format!("{}\n", Value::Array(report.rows.iter().map(object).collect()))
}

/// The card. `is_whole` gives every attack a line of its own; `has_colour` paints what is wrong.
pub fn as_text(report: &Report, is_whole: bool, has_colour: bool) -> String {
    let mut text = format!(
        "agentsecrets prove: {} attacks by uid {} on runs with --isolation {}\n",
        report.rows.len(),
        report.uid,
        report.level.name()
    );
    text.push_str("Each is tried outside, where it must win, and inside a run, where it must not.\ngroup  stopped inside/won outside: attacks; those in {} share a first word\n\n");
    for group in Group::ALL {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.group == group).collect();
        if !rows.is_empty() {
            add_group(&mut text, group, &rows, is_whole);
        }
    }
    add_exceptions(&mut text, report, has_colour);
    add_verdict(&mut text, report, has_colour);
    text
}

fn add_group(text: &mut String, group: Group, rows: &[&Row], is_whole: bool) {
    let count = |verdict| rows.iter().filter(|row| row.verdict() == verdict).count();
    let (held, escaped) = (count(Verdict::Held), count(Verdict::Escaped));
    let controls = rows.iter().filter(|row| matches!(row.control, Seen::Won(_))).count();
    let (open, skipped) = (count(Verdict::Open), count(Verdict::NotPossible));
    let mut title = format!("{} {held}/{controls}", group.name());
    // Writing to a text cannot fail.
    let _ = if escaped > 0 { write!(title, ", {escaped} WON INSIDE") } else { Ok(()) };
    let _ = if open > 0 { write!(title, ", {open} open by design") } else { Ok(()) };
    let _ = if skipped > 0 { write!(title, ", {skipped} not possible here") } else { Ok(()) };
    title.push_str(if held > 0 { ":" } else { "" });
    text.push_str(&title);
    if is_whole {
        text.push('\n');
        for row in rows {
            let inside = row.inside.as_ref().map_or_else(|| "not tried".into(), line);
            let _ = writeln!(
                text,
                "{:INDENT$}{}\n{:6}outside  {}\n{:6}inside   {inside}",
                "",
                row.attack,
                "",
                line(&row.control),
                ""
            );
        }
        return;
    }
    let names: Vec<&str> = rows.iter().filter(|row| row.verdict() == Verdict::Held).map(|row| row.attack).collect();
    let names = braced(&names);
    add_names(text, title.len(), names.iter().map(String::as_str));
}

/// Names that begin with the same word together, as a shell would write them: `read-{dotenv backup}`.
fn braced(names: &[&str]) -> Vec<String> {
    let mut words: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in names {
        let (word, rest) = name.split_once('-').unwrap_or((name, ""));
        match words.iter_mut().find(|(known, _)| *known == word && !rest.is_empty()) {
            Some((_, rests)) => rests.push(rest),
            None => words.push((word, vec![rest])),
        }
    }
    let each = |(word, rests): (&str, Vec<&str>)| match rests.as_slice() {
        [""] => vec![word.to_owned()],
        [first, .., _] if rests.len() > 2 => {
            let mut parts: Vec<String> = rests.iter().map(|rest| (*rest).to_owned()).collect();
            parts[0] = format!("{word}-{{{first}");
            if let Some(last) = parts.last_mut() {
                last.push('}');
            }
            parts
        }
        rests => rests.iter().map(|rest| format!("{word}-{rest}")).collect(),
    };
    words.into_iter().flat_map(each).collect()
}

/// Names side by side from this column on, in as many lines as they need.
fn add_names<'a>(text: &mut String, mut column: usize, names: impl Iterator<Item = &'a str>) {
    for name in names {
        if column + 1 + name.len() > WIDTH {
            text.push('\n');
            column = 0;
        }
        let gap = if column == 0 { INDENT } else { 1 };
        text.push_str(&" ".repeat(gap));
        text.push_str(name);
        column += gap + name.len();
    }
    text.push('\n');
}

fn line(seen: &Seen) -> String {
    let (word, said) = match seen {
        Seen::Won(said) => ("won: ", said),
        Seen::Lost(said) => ("lost: ", said),
        Seen::Impossible(said) => ("not possible here: ", said),
    };
    let shown: String = said.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("{word}{shown}")
}

/// What won, what proves nothing and what was not possible, in full.
fn add_exceptions(text: &mut String, report: &Report, has_colour: bool) {
    let of = |verdict| report.rows.iter().filter(move |row| row.verdict() == verdict);
    let wrong = [
        (Verdict::Escaped, "WON INSIDE"),
        (Verdict::Stale, "STOPPED, AND SAID TO BE OPEN"),
        (Verdict::NoControl, "CONTROL FAILED"),
    ];
    for (verdict, title) in wrong {
        for row in of(verdict) {
            let inside = row.inside.as_ref().map_or_else(|| "not tried".into(), line);
            let title = painted(title, "1;31", has_colour);
            let _ =
                writeln!(text, "\n{title}  {}\n    outside  {}\n    inside   {inside}", row.attack, line(&row.control));
        }
    }
    let open = of(Verdict::Open).filter_map(|row| Some((row.open?, row.attack)));
    add_reasons(text, &format!("open by design at the level {}: they win inside", report.level.name()), open);
    let impossible = of(Verdict::NotPossible).filter_map(|row| match &row.control {
        Seen::Impossible(reason) => Some((reason.as_str(), row.attack)),
        Seen::Won(_) | Seen::Lost(_) => None,
    });
    add_reasons(text, "not possible here, and so not proven", impossible);
}

/// Attacks below the reason that they share.
fn add_reasons<'a>(text: &mut String, title: &str, attacks: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (reason, attack) in attacks {
        reasons.entry(reason).or_default().push(attack);
    }
    if !reasons.is_empty() {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "\n{title}:");
    }
    for (reason, attacks) in reasons {
        let line = format!("{:INDENT$}{}: {reason}", "", attacks.join(" "));
        if line.len() <= WIDTH {
            text.push_str(&line);
            text.push('\n');
        } else {
            let title = format!("{:INDENT$}{reason}:", "");
            text.push_str(&title);
            add_names(text, title.len(), attacks.into_iter());
        }
    }
}

fn add_verdict(text: &mut String, report: &Report, has_colour: bool) {
    let count = |verdict| report.rows.iter().filter(|row| row.verdict() == verdict).count();
    let (held, escaped, broken) = (count(Verdict::Held), count(Verdict::Escaped), count(Verdict::NoControl));
    let (open, stale, skipped) = (count(Verdict::Open), count(Verdict::Stale), count(Verdict::NotPossible));
    let open = if open > 0 { format!(", {open} are open by design") } else { String::new() };
    let stale = if stale > 0 { format!(", {stale} are not open as said") } else { String::new() };
    let (word, code) = if report.is_good() { ("PROVEN", "1;32") } else { ("NOT PROVEN", "1;31") };
    let _ = writeln!(
        text,
        "\n{}  {held} attacks won outside and were stopped inside{open}{stale}\n{:width$}  {escaped} won inside, {broken} controls failed, {skipped} not possible here",
        painted(word, code, has_colour),
        "",
        width = word.len()
    );
}

fn painted(text: &str, code: &str, has_colour: bool) -> String {
    if has_colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn report() -> Report {
        let row = |attack, group, control: &str, inside: Option<&str>| {
            let seen = |text: &str| match text.split_once(' ') {
                Some(("won", said)) => Seen::Won(said.into()),
                Some(("lost", said)) => Seen::Lost(said.into()),
                _ => Seen::Impossible(text.into()),
            };
            Row { attack, group, control: seen(control), inside: inside.map(seen), open: None }
        };
        let rows = vec![
            row("read-dotenv", Group::Files, "won the value", Some("lost masked")),
            row("x32", Group::Kernel, "none", None),
            row("keyring", Group::Kernel, "won a key", Some("won a\u{1b}[31m key")),
            row("bpf", Group::Kernel, "lost nothing there", Some("lost refused")),
        ];
        Report { level: Level::Sealed, uid: 7, rows }
    }

    #[test]
    fn losers_are_shown_in_full_and_skips_are_not_counted() {
        let text = as_text(&report(), false, false);
        for line in [
            "files 1/1: read-dotenv",
            "kernel 0/1, 1 WON INSIDE, 1 not possible here",
            "WON INSIDE  keyring",
            "    inside   won: a [31m key",
            "CONTROL FAILED  bpf",
            "  x32: none",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(text.contains("NOT PROVEN  1 attacks won outside"));
        assert!(!report().is_good());
        assert!(!text.contains('\u{1b}') && as_text(&report(), false, true).contains("\u{1b}[1;31m"));
    }

    #[test]
    fn what_a_level_leaves_open_is_no_fault_and_has_its_reason() {
        let mut report = report();
        report.level = Level::Guarded;
        report.rows.truncate(3);
        report.rows[2].open = Some("the host lists it");
        let text = as_text(&report, false, false);
        for line in [
            "kernel 0/1, 1 open by design, 1 not possible here",
            "open by design at the level guarded: they win inside:",
            "  keyring: the host lists it",
            "PROVEN  1 attacks won outside and were stopped inside, 1 are open by design",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        assert!(report.is_good() && !text.contains("WON INSIDE"));
        let all: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&as_json(&report)).unwrap();
        assert_eq!(all[2]["won"], Value::Bool(true));
        assert!(all[2]["inside"].as_str().unwrap().starts_with("open by design: the host lists it; won: a"));
        // What is said to be open and is not makes the proof fail.
        report.rows[0].open = Some("it is said to be");
        let text = as_text(&report, false, false);
        assert!(text.contains("STOPPED, AND SAID TO BE OPEN  read-dotenv\n") && text.contains("NOT PROVEN"), "{text}");
        assert!(!report.is_good());
    }

    #[test]
    fn every_object_has_its_five_keys() {
        let all: Vec<serde_json::Map<String, Value>> = serde_json::from_str(&as_json(&report())).unwrap();
        let keys = ["attack", "group", "control", "inside", "won"];
        assert!(all.iter().all(|object| object.keys().eq(keys)));
        let won: Vec<&Value> = all.iter().map(|object| &object["won"]).collect();
        assert_eq!(won, [&Value::Bool(false), &Value::Null, &Value::Bool(true), &Value::Null]);
    }

    #[test]
    fn names_with_a_first_word_in_common_stand_together() {
        let names = ["read-a", "x", "read-b-c", "bpf", "read-d", "by-one", "by-two", "x"];
        let expected = ["read-{a", "b-c", "d}", "x", "bpf", "by-one", "by-two", "x"];
        assert_eq!(braced(&names), expected);
    }

    #[test]
    fn names_stay_within_the_screen() {
        let mut text = String::new();
        add_names(&mut text, 70, std::iter::repeat_n("an-attack-with-a-name", 20));
        assert!(text.lines().all(|line| line.len() <= WIDTH && (line.is_empty() || line.starts_with("  an-attack"))));
    }
}
