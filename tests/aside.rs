//! Names that the user's own tools obey and that did not exist when a run began: what the command makes there is set
//! aside at the end.

mod repositories;
mod settings;
mod started;
mod worktrees;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Run;
use crate::support::place::users;

/// What was set aside below a folder.
fn aside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let is_aside = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("agentsecrets-aside.");
    entries.filter(is_aside).collect()
}

const SCRIPT: &str = "echo '{}' >.mcp.json && mkdir .husky && echo bad >.husky/pre-commit && echo good >made";

#[test]
fn what_tools_would_obey_is_set_aside_and_said() {
    for user in users() {
        for level in ["sealed", "guarded"] {
            let finished = Run::at(level).user(*user).unobserved().shell(SCRIPT).run().succeeded();
            let (project, said) = (finished.world().project(), finished.stderr());
            assert!(!project.join(".mcp.json").exists() && !project.join(".husky").exists(), "{level}: {said}");
            assert!(project.join("made").exists());
            let aside = aside(&project);
            assert_eq!(aside.len(), 2, "{level}: {aside:?}");
            for path in aside {
                assert!(said.contains(path.to_str().unwrap()), "{level}: {}\n{said}", path.display());
            }
        }
    }
}

#[test]
fn what_the_user_has_granted_stays() {
    let run = Run::new().flags(["--writable", ".mcp.json"]).unobserved().shell(SCRIPT);
    let finished = run.run().succeeded();
    let project = finished.world().project();
    assert!(project.join(".mcp.json").exists(), "{}", finished.stderr());
    assert_eq!(aside(&project).len(), 1);
}

#[test]
fn a_run_that_makes_nothing_of_the_kind_says_nothing_of_it() {
    let finished = Run::new().project_file(".mcp.json", "{}").unobserved().shell("echo good >made").run().succeeded();
    assert!(!finished.stderr().contains("set aside"), "{}", finished.stderr());
    assert!(finished.world().project().join(".mcp.json").exists());
}

#[test]
fn settings_of_editors_are_guarded_in_any_folder() {
    let script = "for each in a/.vscode/tasks.json a/.idea/x a/.vscode/other; do
          if echo bad 2>/dev/null >$each; then echo $each; fi
        done
        mkdir -p b/.vscode b/.idea node_modules/b/.vscode
        for each in b/.vscode/tasks.json b/.idea/x b/mise.toml b/good node_modules/b/.vscode/tasks.json; do
          echo bad >$each
        done";
    for user in users() {
        let run = Run::new().user(*user).unobserved();
        let run = run.project_file("a/.vscode/tasks.json", "good").project_file("a/.idea/x", "good");
        let finished = run.shell(script).run().succeeded();
        let (project, said) = (finished.world().project(), finished.stderr());
        assert_eq!(finished.stdout(), "a/.vscode/other\n", "{said}");
        for gone in ["b/.vscode/tasks.json", "b/.idea", "b/mise.toml"] {
            assert!(!project.join(gone).exists() && said.contains(gone), "{gone}: {said}");
        }
        for kept in ["a/.vscode/tasks.json", "a/.idea/x", "b/good", "node_modules/b/.vscode/tasks.json"] {
            assert!(project.join(kept).exists(), "{kept}: {said}");
        }
        assert_eq!((aside(&project.join("b")).len(), aside(&project.join("b/.vscode")).len()), (2, 1));
    }
}

#[test]
fn what_agents_shells_and_debuggers_obey_is_guarded_in_any_folder_and_through_any_symlink() {
    let names = [
        ".codex/config.toml",
        ".gemini/settings.json",
        "opencode.json",
        ".opencode/plugin",
        ".mise.dev.toml",
        ".hg/hgrc",
        ".config/mise",
        ".kiro/settings/mcp.json",
        ".nvim.lua",
        ".Rprofile",
        ".pdbrc",
        ".copilot/mcp-config.json",
    ];
    let script = format!(
        "if echo bad 2>/dev/null >old/.codex/config.toml; then echo written; fi
        for each in {}; do mkdir -p \"$(dirname new/$each)\" && echo bad >new/$each; done
        for each in claude/settings.json vscode/tasks.json kiro/settings/mcp.json; do
          mkdir -p \"$(dirname s/t.$each)\" && echo bad >s/t.$each
        done
        ln -s t.claude s/.claude && ln -s t.vscode s/.vscode && mkdir s/.kiro && ln -s ../t.kiro/settings s/.kiro/settings
        ln -s t.claude s/.harmless && cat s/.claude/settings.json s/.vscode/tasks.json s/.kiro/settings/mcp.json",
        names.join(" ")
    );
    for user in users() {
        let run = Run::new().user(*user).unobserved().project_file("old/.codex/config.toml", "good");
        let finished = run.shell(&script).run().succeeded();
        let (project, said) = (finished.world().project(), finished.stderr());
        // They were in force while the run lasted; the one that was there was not written.
        assert_eq!(finished.stdout(), "bad\n".repeat(3), "{said}");
        let links = ["s/.claude", "s/.vscode", "s/.kiro/settings"];
        for gone in names.map(|name| format!("new/{name}")).into_iter().chain(links.map(str::to_owned)) {
            assert!(project.join(&gone).symlink_metadata().is_err() && said.contains(&gone), "{gone}: {said}");
        }
        for kept in ["s/t.claude/settings.json", "s/.harmless", "old/.codex/config.toml"] {
            assert!(project.join(kept).exists(), "{kept}: {said}");
        }
    }
}
