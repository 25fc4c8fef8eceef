//! Recognises an agent by the command that starts it, also behind what starts programs of packages.
//!
//! **Trade-off.** Words alone decide, and where links lead: nothing is read. A shell script that starts an agent is not
//! recognised; the agent then runs as any command does.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Agent, Agents};

/// Programs that start the rest of their line.
const WRAPPERS: &[Starter] = &[
    Starter { words: &["env"], valued: &["-u", "--unset", "-C", "--chdir"], operands: 0 },
    Starter { words: &["nice"], valued: &["-n", "--adjustment"], operands: 0 },
    Starter { words: &["nohup"], valued: &[], operands: 0 },
    Starter { words: &["setsid"], valued: &[], operands: 0 },
    Starter { words: &["stdbuf"], valued: &["-i", "-o", "-e"], operands: 0 },
    Starter { words: &["timeout"], valued: &["-s", "--signal", "-k", "--kill-after"], operands: 1 },
];

/// Programs that start one of a package.
const RUNNERS: &[Starter] = &[
    Starter { words: &["npx"], valued: NPM, operands: 0 },
    Starter { words: &["npm", "exec"], valued: NPM, operands: 0 },
    Starter { words: &["npm", "x"], valued: NPM, operands: 0 },
    Starter { words: &["pnpm", "dlx"], valued: &["--package"], operands: 0 },
    Starter { words: &["pnpx"], valued: &["--package"], operands: 0 },
    Starter { words: &["yarn", "dlx"], valued: &["-p", "--package"], operands: 0 },
    Starter { words: &["bunx"], valued: &["-p", "--package"], operands: 0 },
    Starter { words: &["bun", "x"], valued: &["-p", "--package"], operands: 0 },
    Starter { words: &["uvx"], valued: UV, operands: 0 },
    Starter { words: &["uv", "tool", "run"], valued: UV, operands: 0 },
    Starter { words: &["pipx", "run"], valued: &["--spec", "--python", "--index-url", "--pip-args"], operands: 0 },
];
const NPM: &[&str] = &["-p", "--package", "-w", "--workspace", "--cache", "--registry"];
const UV: &[&str] = &[
    "--from",
    "--with",
    "--with-editable",
    "--with-requirements",
    "-p",
    "--python",
    "--index",
    "--default-index",
    "-i",
    "--index-url",
    "--extra-index-url",
    "-w",
    "--directory",
    "--project",
    "--config-file",
    "--cache-dir",
];

/// Interpreters whose first operand is a script.
const INTERPRETERS: &[Starter] = &[
    Starter { words: &["node"], valued: NODE, operands: 0 },
    Starter { words: &["nodejs"], valued: NODE, operands: 0 },
    Starter { words: &["deno", "run"], valued: &["-c", "--config", "--import-map"], operands: 0 },
    Starter { words: &["bun", "run"], valued: &["--cwd"], operands: 0 },
    Starter { words: &["bun"], valued: &["--cwd"], operands: 0 },
];
const NODE: &[&str] =
    &["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--title"];

/// The most starters before a command; more are no command that somebody types.
const MOST_STARTERS: usize = 8;

/// How a program that starts others is called.
struct Starter {
    words: &'static [&'static str],
    /// Options that take the next word.
    valued: &'static [&'static str],
    /// Words of its own before the rest.
    operands: usize,
}

/// An agent in a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recognised<'a> {
    /// Which it is.
    pub agent: &'a Agent,
    /// Where its own arguments begin.
    pub arguments_from: usize,
    /// Whether what starts it takes those for its own unless `--` stands before them.
    pub needs_dashes: bool,
}

impl Agents {
    /// The agent that `command` starts. `locate` says where a path, or a name on `PATH`, really leads.
    pub fn recognise(&self, command: &[OsString], locate: &dyn Fn(&Path) -> Option<PathBuf>) -> Option<Recognised<'_>> {
        let mut at = 0;
        for _ in 0..MOST_STARTERS {
            let rest = command.get(at..)?;
            let Some((wrapper, length)) = starter(WRAPPERS, rest) else { break };
            at += first_operand(wrapper, rest, length)?;
        }
        let rest = command.get(at..)?;
        if let Some((runner, length)) = starter(RUNNERS, rest) {
            let operand = first_operand(runner, rest, length)?;
            let agent = self.by_package(&rest[operand])?;
            let is_npm = runner.words.first() == Some(&"npm");
            let dashes = usize::from(is_npm && rest.get(operand + 1).is_some_and(|word| word == "--"));
            let arguments_from = at + operand + 1 + dashes;
            return Some(Recognised { agent, arguments_from, needs_dashes: is_npm && dashes == 0 });
        }
        let (agent, words) = self.by_interpreter(rest, locate).or_else(|| self.by_program(rest, locate))?;
        Some(Recognised { agent, arguments_from: at + words, needs_dashes: false })
    }

    /// The agent behind an interpreter, and how many words start it.
    fn by_interpreter(&self, rest: &[OsString], locate: &dyn Fn(&Path) -> Option<PathBuf>) -> Option<(&Agent, usize)> {
        let (script, modules) = if is_python(rest.first()?) {
            let option = rest.iter().position(|word| word == "-m" || word == "-c");
            let valued = Starter { words: &["python"], valued: &["-W", "-X"], operands: 0 };
            let operand = first_operand(&valued, rest, 1);
            match (option, operand) {
                // Text given with `-c` is no program of anybody's.
                (Some(option), Some(operand)) if option < operand && rest[option] == "-c" => return None,
                (Some(option), operand) if operand.is_none_or(|operand| option < operand) => (option + 1, true),
                (_, operand) => (operand?, false),
            }
        } else {
            let (interpreter, length) = starter(INTERPRETERS, rest)?;
            (first_operand(interpreter, rest, length)?, false)
        };
        let word = rest.get(script)?;
        let agent = if modules {
            self.0.iter().find(|agent| agent.modules.iter().any(|module| word == module.as_str()))?
        } else {
            let path = Path::new(".").join(word);
            self.by_path(&locate(&path).unwrap_or(path))?
        };
        Some((agent, script + 1))
    }

    fn by_program(&self, rest: &[OsString], locate: &dyn Fn(&Path) -> Option<PathBuf>) -> Option<(&Agent, usize)> {
        let word = Path::new(rest.first()?);
        let named = self.by_name(name(word));
        let agent = named.or_else(|| self.by_path(&locate(word)?))?;
        Some((agent, 1))
    }

    fn by_name(&self, name: &[u8]) -> Option<&Agent> {
        self.0.iter().find(|agent| agent.commands.iter().any(|command| command.as_bytes() == name))
    }

    /// By a package on the way, its builds for one platform included, or by the file's name.
    fn by_path(&self, path: &Path) -> Option<&Agent> {
        let text = path.as_os_str().as_bytes();
        let lies_in = |package: &String| {
            let folder = format!("/node_modules/{package}");
            memchr::memmem::find_iter(text, folder.as_bytes())
                .any(|start| matches!(text.get(start + folder.len()), Some(b'/' | b'-')))
        };
        let by_package = self.0.iter().find(|agent| agent.packages.iter().any(lies_in));
        let stem = [".js", ".mjs", ".cjs", ".py"].iter().find_map(|end| name(path).strip_suffix(end.as_bytes()));
        by_package.or_else(|| self.by_name(stem.unwrap_or(name(path))))
    }

    /// By what a runner is told: a package, with or without a version, or a command of one.
    fn by_package(&self, word: &OsStr) -> Option<&Agent> {
        let word = word.to_str()?;
        let scope =
            word.strip_prefix('@').and_then(|rest| rest.split_once('/')).map_or(0, |(scope, _)| scope.len() + 2);
        let end = word[scope..].find(['@', '=', '<', '>', '~', '!', '[', ' ']).map_or(word.len(), |end| scope + end);
        let package = &word[..end];
        let has = |agent: &&Agent| agent.packages.iter().chain(&agent.commands).any(|known| known == package);
        self.0.iter().find(has)
    }
}

/// The starter that `rest` begins with, and how many words that is.
fn starter<'a>(starters: &'a [Starter], rest: &[OsString]) -> Option<(&'a Starter, usize)> {
    let (first, others) = rest.split_first()?;
    let begins = |starter: &&Starter| {
        let (program, words) = starter.words.split_first().unwrap_or((&"", &[]));
        name(Path::new(first)) == program.as_bytes()
            && words.len() <= others.len()
            && words.iter().zip(others).all(|(word, other)| other == word)
    };
    starters.iter().find(begins).map(|starter| (starter, starter.words.len()))
}

/// Where the first word stands that is neither an option of the starter's nor an assignment nor one of its operands.
fn first_operand(starter: &Starter, rest: &[OsString], from: usize) -> Option<usize> {
    let assigns = starter.words == ["env"];
    let mut operands = starter.operands;
    let mut at = from;
    let mut has_ended = false;
    loop {
        let word = rest.get(at)?;
        if !has_ended && word == "--" {
            has_ended = true;
        } else if !has_ended && word.as_bytes().starts_with(b"-") && word.len() > 1 {
            at += usize::from(starter.valued.iter().any(|option| word == option));
        } else if assigns && word.as_bytes().contains(&b'=') {
        } else if operands > 0 {
            operands -= 1;
        } else {
            return Some(at);
        }
        at += 1;
    }
}

fn is_python(word: &OsStr) -> bool {
    let rest = [b"python".as_slice(), b"pypy"].iter().find_map(|start| name(Path::new(word)).strip_prefix(*start));
    rest.is_some_and(|version| version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
}

fn name(path: &Path) -> &[u8] {
    path.file_name().map_or(&b""[..], OsStrExt::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::agents;

    /// Agent and the index of its first argument; a link called `ai` leads to Claude Code's script.
    fn recognised(line: &str) -> Option<(&'static str, usize)> {
        let command: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let locate = |path: &Path| match path.to_str()? {
            "ai" => Some("/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js".into()),
            "agent" => Some("/home/u/.local/share/cursor-agent/versions/1/cursor-agent".into()),
            _ => None,
        };
        let found = agents().recognise(&command, &locate)?;
        Some((found.agent.id.as_str(), found.arguments_from))
    }

    #[test]
    fn agents_are_recognised_however_they_are_started() {
        for (line, expected) in [
            ("claude", Some(("claude", 1))),
            ("/opt/bin/claude -p x", Some(("claude", 1))),
            ("ai -p x", Some(("claude", 1))),
            ("agent", Some(("cursor-agent", 1))),
            ("env A=b -u C claude -p x", Some(("claude", 5))),
            ("env -- A=b claude", Some(("claude", 4))),
            ("/usr/bin/env nice -n 5 codex exec", Some(("codex", 5))),
            ("timeout -k 5 60 codex exec", Some(("codex", 5))),
            ("npx -y @anthropic-ai/claude-code -p x", Some(("claude", 3))),
            ("npx @anthropic-ai/claude-code@2.1.0 -p x", Some(("claude", 2))),
            ("npx -p @openai/codex@latest codex exec", Some(("codex", 4))),
            ("npm exec @openai/codex -- exec", Some(("codex", 4))),
            ("npm exec -- @openai/codex exec", Some(("codex", 4))),
            ("pnpm dlx opencode-ai", Some(("opencode", 3))),
            ("bunx @google/gemini-cli", Some(("gemini", 2))),
            ("bun x @qwen-code/qwen-code", Some(("qwen", 3))),
            ("yarn dlx @github/copilot", Some(("copilot", 3))),
            ("uvx --python 3.12 aider-chat==0.86 --model x", Some(("aider", 4))),
            ("uvx --from aider-chat aider --model x", Some(("aider", 4))),
            ("uv tool run aider-chat[help]@latest", Some(("aider", 4))),
            ("pipx run aider-chat", Some(("aider", 3))),
            ("python3.12 -X dev -m aider --model x", Some(("aider", 5))),
            ("python -m aider", Some(("aider", 3))),
            ("python3 /venv/bin/aider", Some(("aider", 2))),
            ("node --require x /usr/lib/node_modules/@openai/codex/bin/codex.js exec", Some(("codex", 4))),
            ("node a/node_modules/@anthropic-ai/claude-code-linux-x64/x.js", Some(("claude", 2))),
            ("bun run ./gemini.js", Some(("gemini", 3))),
            ("goose session", Some(("goose", 1))),
            ("python3 -c aider", None),
            ("python3 agent.py -m aider", None),
            ("pythonic -m aider", None),
            ("node server.js", None),
            ("node a/node_modules/@openai/codexes/x.js", None),
            ("npx", None),
            ("npx cowsay claude", None),
            ("uvx --from aider-chat", None),
            ("env", None),
            ("env A=claude", None),
            ("echo claude", None),
            ("claude-code-router", None),
        ] {
            assert_eq!(recognised(line), expected, "{line}");
        }
    }

    #[test]
    fn npm_takes_what_stands_before_dashes_for_its_own() {
        let command = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let needs = |line| agents().recognise(&command(line), &|_| None).unwrap().needs_dashes;
        assert!(needs("npm exec @openai/codex") && !needs("npm exec @openai/codex -- exec") && !needs("npx codex"));
    }
}
