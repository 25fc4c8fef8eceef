//! `policies/files.toml` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Action, Field, FileRules, Form, Format, Guard, HomeEntry, Judge, Move, ProjectEntry, Render, RootRules, Writable,
};
use crate::policy::FileGlob;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilesFile {
    named: Vec<String>,
    hidden: BTreeMap<String, Vec<String>>,
    root: RootRules,
    rendered: Vec<Rendered>,
    moves: BTreeMap<String, MoveLine>,
    project: Project,
    guard: Guard,
    writable: Vec<Writable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rendered {
    #[serde(default)]
    id: Option<String>,
    group: String,
    paths: Vec<String>,
    format: Format,
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveLine {
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
    rendered: Vec<ProjectRendered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectRendered {
    patterns: Vec<FileGlob>,
    #[serde(default)]
    except: Vec<FileGlob>,
    #[serde(default)]
    parents: bool,
    format: Format,
}

impl From<FilesFile> for FileRules {
    fn from(file: FilesFile) -> Self {
        let rendered = file.rendered.into_iter().flat_map(|rendered| {
            let action = Action::Render(render(rendered.format, rendered.fields));
            let Rendered { id, group, paths, .. } = rendered;
            let entry = move |path| HomeEntry { path, group: group.clone(), id: id.clone(), action: action.clone() };
            paths.into_iter().map(entry)
        });
        let hidden = file.hidden.into_iter().flat_map(|(group, paths)| {
            let entry = move |path| HomeEntry { path, group: group.clone(), id: None, action: Action::Hide };
            paths.into_iter().map(entry)
        });
        let moves = file.moves.into_iter().map(|(variable, line)| Move {
            variable,
            replaces: line.replaces,
            holds: line.holds,
            list: line.list,
        });
        Self {
            home: rendered.chain(hidden).collect(),
            named: file.named,
            root: file.root,
            project: project_entries(file.project),
            guard: file.guard,
            writable: file.writable,
            moves: moves.collect(),
        }
    }
}

/// Rendered files come first: where two patterns cover a file, it is better rendered than hidden.
fn project_entries(project: Project) -> Vec<ProjectEntry> {
    let rendered = project.rendered.into_iter().flat_map(|rendered| {
        let action = Action::Render(render(rendered.format, Vec::new()));
        let ProjectRendered { patterns, except, parents, .. } = rendered;
        let entry = move |pattern| ProjectEntry { pattern, except: except.clone(), parents, action: action.clone() };
        patterns.into_iter().map(entry)
    });
    let except = project.hidden_except;
    let hidden = project.hidden.into_iter().map(|pattern| ProjectEntry {
        pattern,
        except: except.clone(),
        parents: false,
        action: Action::Hide,
    });
    rendered.chain(hidden).collect()
}

/// A JSON file is judged by name wherever no field says otherwise.
fn render(format: Format, mut fields: Vec<Field>) -> Render {
    if format == Format::Json {
        fields.push(Field { at: "/**".into(), credential: None, judge: Judge::ByName, form: Form::Plain });
    }
    Render { format, fields }
}
