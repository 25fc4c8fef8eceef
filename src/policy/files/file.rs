//! `policies/files.toml` as it is written, and what agents' files write alike.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Action, Field, FileRules, Format, Guard, HomeEntry, Judge, Move, Note, ProjectEntry, Render, RootRules, Writable,
};
use crate::policy::{FileGlob, Origin};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilesFile {
    named: Vec<String>,
    #[serde(default)]
    started: Vec<String>,
    hidden: BTreeMap<String, Vec<String>>,
    root: RootRules,
    rendered: Vec<Grouped>,
    moves: BTreeMap<String, MoveLine>,
    project: Project,
    guard: Guard,
    writable: Vec<Writable>,
}

/// What `files.toml` renders: it says besides what the files belong to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grouped {
    #[serde(default)]
    id: Option<String>,
    group: String,
    paths: Vec<String>,
    format: Format,
    #[serde(default)]
    fields: Vec<Field>,
}

/// Files of the home that an agent's file renders.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct Rendered {
    #[serde(default)]
    id: Option<String>,
    paths: Vec<String>,
    format: Format,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    off: Vec<String>,
    #[serde(default)]
    notes: Vec<Note>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct MoveLine {
    #[serde(default)]
    replaces: Option<String>,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    list: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Project {
    hidden: Vec<FileGlob>,
    hidden_except: Vec<FileGlob>,
    #[serde(default)]
    known_keys: Vec<FileGlob>,
    rendered: Vec<ProjectRendered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::policy) struct ProjectRendered {
    patterns: Vec<FileGlob>,
    #[serde(default)]
    except: Vec<FileGlob>,
    #[serde(default)]
    parents: bool,
    #[serde(default)]
    above: Vec<String>,
    format: Format,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    environment: Option<String>,
    #[serde(default)]
    off: Vec<String>,
    #[serde(default)]
    notes: Vec<Note>,
}

impl From<FilesFile> for FileRules {
    fn from(file: FilesFile) -> Self {
        let origin = Origin::Builtin { file: "files.toml".into() };
        let rendered = file.rendered.into_iter().flat_map(|grouped| {
            let render = Render { format: grouped.format, fields: grouped.fields, ..Render::default() };
            let action = Action::Render(complete(render));
            entries(&grouped.group, grouped.id.as_deref(), grouped.paths, &action, &origin)
        });
        let hidden =
            file.hidden.into_iter().flat_map(|(group, paths)| entries(&group, None, paths, &Action::Hide, &origin));
        let moves = file.moves.into_iter().map(|(variable, line)| line.into_move(variable));
        Self {
            home: rendered.chain(hidden).collect(),
            named: file.named,
            started: file.started,
            root: file.root,
            known_keys: file.project.known_keys.clone(),
            project: project_entries(file.project, &origin),
            guard: file.guard,
            writable: file.writable,
            moves: moves.collect(),
        }
    }
}

/// The same rule for each of `paths`.
pub(in crate::policy) fn entries(
    group: &str,
    id: Option<&str>,
    paths: Vec<String>,
    action: &Action,
    origin: &Origin,
) -> Vec<HomeEntry> {
    let entry = |path| HomeEntry {
        path,
        group: group.to_owned(),
        id: id.map(ToOwned::to_owned),
        action: action.clone(),
        origin: origin.clone(),
    };
    paths.into_iter().map(entry).collect()
}

impl Rendered {
    /// The rules of the files of an agent.
    pub(in crate::policy) fn into_entries(self, group: &str, origin: &Origin) -> Vec<HomeEntry> {
        let Self { id, paths, format, fields, environment, off, notes } = self;
        let action = Action::Render(complete(Render { format, fields, environment, off, notes }));
        entries(group, id.as_deref(), paths, &action, origin)
    }
}

impl MoveLine {
    pub(in crate::policy) fn into_move(self, variable: String) -> Move {
        Move { variable, replaces: self.replaces, holds: self.holds, list: self.list }
    }
}

impl ProjectRendered {
    pub(in crate::policy) fn into_entries(self, origin: &Origin) -> Vec<ProjectEntry> {
        let Self { patterns, except, parents, above, format, fields, environment, off, notes } = self;
        let render = complete(Render { format, fields, environment, off, notes });
        let mut above = Some(above);
        let entry = |pattern| ProjectEntry {
            pattern,
            except: except.clone(),
            parents,
            // Once for all patterns of a rule.
            above: above.take().unwrap_or_default(),
            action: Action::Render(render.clone()),
            origin: origin.clone(),
        };
        patterns.into_iter().map(entry).collect()
    }
}

/// Rendered files come first: where two patterns cover a file, it is better rendered than hidden.
fn project_entries(project: Project, origin: &Origin) -> Vec<ProjectEntry> {
    let rendered = project.rendered.into_iter().flat_map(|rendered| rendered.into_entries(origin));
    let except = project.hidden_except;
    let hidden = project.hidden.into_iter().map(|pattern| ProjectEntry {
        pattern,
        except: except.clone(),
        parents: false,
        above: Vec::new(),
        action: Action::Hide,
        origin: origin.clone(),
    });
    rendered.chain(hidden).collect()
}

/// A structured file is judged by name wherever no field says otherwise.
fn complete(mut render: Render) -> Render {
    if !render.format.is_of_variables() {
        render.fields.push(Field { at: "/**".into(), judge: Judge::ByName, ..Field::default() });
    }
    render
}
