//! `log restore`: puts back into the home what a command wrote to its private copy of it.
//!
//! **Invariants.** All of it is the child's work (C3): nothing is put where a program of the user's runs or obeys it, unless
//! the user says so of these files; nothing is put into our own directories; no symlink is followed; nothing of the
//! host's is lost, for what gives way by force stays beside.

mod judge;
mod put;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{LogError, find, json_line};
use crate::audit::{Kept, KeptFile, KeptKind, RunId};
use crate::exit::Exit;
use crate::report::{self, Terminal, plain};
use crate::run;
use crate::world::World;
use judge::{Guards, Judgement};

/// What is to be put back.
#[derive(Debug, Clone)]
pub(in crate::command) struct Order {
    /// The run's id or an unambiguous beginning of it.
    pub(in crate::command) run: String,
    /// The file or directory; everything where it is left out.
    pub(in crate::command) path: Option<PathBuf>,
    /// Also what there is a reason against.
    pub(in crate::command) force: bool,
    /// How sure the user is.
    pub(in crate::command) how: How,
    /// One JSON object a line.
    pub(in crate::command) json: bool,
}

/// How sure the user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum How {
    /// Only say what would be done.
    Tell,
    /// Ask first.
    Ask,
    /// Ask nothing.
    Do,
}

/// A file with what is to become of it.
struct Wanted<'a> {
    file: &'a KeptFile,
    path: PathBuf,
    judgement: Judgement,
}

/// Does what `order` says; a finding where something was refused.
pub(in crate::command) fn restore(
    world: &World,
    order: &Order,
    terminal: Terminal,
    output: &mut dyn Write,
) -> Result<Exit, LogError> {
    if run::is_inside(world) {
        return Err(LogError::Inside);
    }
    let run = find(&world.state_directory.join("runs"), &order.run)?;
    let kept = Kept::open(&run::kept_directory(world), &run)?.ok_or(LogError::NothingKept { run })?;
    let mut output = BufWriter::new(output);
    let wanted = judged(world, order, &kept)?;
    let does = wanted.iter().filter(|wanted| matches!(wanted.judgement, Judgement::Put { .. })).count();
    if order.how == How::Ask && does > 0 && !is_wanted(world, &wanted, does, terminal)? {
        return Err(LogError::RestoreDeclined);
    }
    let mut exit = Exit::Success;
    for wanted in &wanted {
        let done = match &wanted.judgement {
            Judgement::Put { aside } if order.how != How::Tell => {
                put::put(&kept, wanted.file, &kept.index.home.path(), *aside)
            }
            judgement => Ok(judgement.clone().into()),
        };
        let done = done.unwrap_or_else(|error| Done { word: "failed", why: Some(error.to_string()) });
        if matches!(done.word, "failed" | "refused") {
            exit = Exit::Finding;
        }
        say(&wanted.path, &done, order.json, &mut output)?;
    }
    output.flush().map_err(LogError::Output)?;
    Ok(exit)
}

fn judged<'a>(world: &World, order: &Order, kept: &'a Kept) -> Result<Vec<Wanted<'a>>, LogError> {
    let guards = Guards::new(world);
    let home = kept.index.home.path();
    let named = order.path.as_ref().map(|path| without_dots(&world.current_directory.join(path)));
    let files = kept.index.files.iter().map(|file| (file, file.path.path()));
    let files = files.filter(|(_, path)| named.as_ref().is_none_or(|named| path.starts_with(named)));
    let wanted: Vec<Wanted<'a>> = files
        .map(|(file, path)| {
            let judgement = if home == world.home {
                judge::judge(kept, file, &path, &guards, order.force)
            } else {
                Judgement::never(format!("it is of another home, `{}`", home.display()))
            };
            Wanted { file, path, judgement }
        })
        .collect();
    match named {
        Some(path) if wanted.is_empty() => {
            Err(LogError::NotKept { path, run: kept.index.run.parse::<RunId>().map_err(LogError::Audit)? })
        }
        _ => Ok(wanted),
    }
}

/// `.` and `..` taken out by name.
fn without_dots(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(clean.pop()),
            other => clean.push(other),
        }
    }
    clean
}

/// Shows what would be done, and asks.
fn is_wanted(world: &World, wanted: &[Wanted<'_>], does: usize, terminal: Terminal) -> Result<bool, LogError> {
    if !world.terminal.input {
        return Ok(false);
    }
    let shown = wanted.iter().filter(|wanted| matches!(wanted.judgement, Judgement::Put { .. })).take(20);
    let mut lines: Vec<String> = shown.map(|wanted| format!("  {}", plain(&wanted.path.to_string_lossy()))).collect();
    lines.extend((does > 20).then(|| format!("  and {} more", does - 20)));
    terminal.say(&lines.join("\n"));
    report::confirm(&format!("Put {} back? The command wrote them.", report::files(does))).map_err(LogError::Ask)
}

/// What became of a file.
struct Done {
    word: &'static str,
    why: Option<String>,
}

impl From<Judgement> for Done {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Judgement::Put { .. } => Self { word: "would restore", why: None },
            Judgement::Same => Self { word: "unchanged", why: Some("it stands there already".into()) },
            Judgement::Refuse { why, .. } => Self { word: "refused", why: Some(why) },
        }
    }
}

fn say(path: &Path, done: &Done, as_json: bool, output: &mut dyn Write) -> Result<(), LogError> {
    if as_json {
        return json_line(output, &json!({ "path": path.to_string_lossy(), "result": done.word, "why": done.why }));
    }
    let why = done.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    writeln!(output, "{:<13}  {}", done.word, plain(&format!("{}{why}", path.display()))).map_err(LogError::Output)
}

/// What `log show` says of what a run left.
pub(super) fn show(
    runs: &Path,
    run: &RunId,
    is_named: bool,
    as_json: bool,
    output: &mut dyn Write,
) -> Result<(), LogError> {
    let Some(kept) = Kept::open(&runs.with_file_name("kept"), run)? else { return Ok(()) };
    let failed = |error: io::Error| LogError::Output(error);
    if as_json {
        for file in &kept.index.files {
            let mut object = json!({ "kind": "kept", "run": run.as_str(), "path": file.path.path().to_string_lossy() });
            object["became"] = json!(became(&file.kind));
            object["masked"] = json!(file.masked);
            if let KeptKind::File { size, placeholders, stored, .. } = &file.kind {
                object["size"] = json!(size);
                object["placeholders"] = json!(placeholders);
                object["stored"] = json!(kept.path_of(*stored).to_string_lossy());
            }
            json_line(output, &object)?;
        }
        return Ok(());
    }
    let number = report::files(kept.index.files.len());
    writeln!(output, "\nkept     {number} of the home: agentsecrets log restore {run}").map_err(failed)?;
    for file in kept.index.files.iter().filter(|_| is_named) {
        let mut notes = match &file.kind {
            KeptKind::File { size, .. } => vec![format!("{size} bytes")],
            KeptKind::Link { target } => vec![format!("leads to {}", target.path().display())],
            KeptKind::Removed => vec!["deleted".to_owned()],
        };
        notes.extend(matches!(file.kind, KeptKind::File { placeholders: true, .. }).then(|| "placeholders".to_owned()));
        notes.extend(file.masked.then(|| "masked in the run".to_owned()));
        let line = format!("{}  ({})", file.path.path().display(), notes.join(", "));
        writeln!(output, "  {}", plain(&line)).map_err(failed)?;
    }
    Ok(())
}

fn became(kind: &KeptKind) -> &'static str {
    match kind {
        KeptKind::File { .. } => "file",
        KeptKind::Link { .. } => "link",
        KeptKind::Removed => "removed",
    }
}
