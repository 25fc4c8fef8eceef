//! `--hook node` and `--hook python`: small programs of ours that a language's own start-up loads, for clients that no
//! variable leads to the broker or makes trust it.
//!
//! **Trade-off.** Only where asked for: they change how every program of that language starts. In a seal neither is
//! needed, because connections reach the broker whatever a client does.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::plan::Planned;
use crate::policy::{Isolation, Origin};

/// A hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Leads Node's TLS connections through the proxy.
    Node,
    /// Has Python's TLS contexts trust the run's certificate.
    Python,
}

impl Hook {
    /// Its file, from the run's own directory on, beside `ca.pem`, and what stands in it.
    pub(super) fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Node => ("node.cjs", include_str!("../../policies/hooks/node.cjs")),
            Self::Python => ("python/sitecustomize.py", include_str!("../../policies/hooks/sitecustomize.py")),
        }
    }

    /// The variable by which it is loaded, with what the user has in it.
    fn variable(self, place: &Path, old: Option<&OsString>) -> (&'static str, OsString) {
        let path = place.join(self.file().0);
        let old = old.filter(|value| !value.is_empty());
        match self {
            Self::Node => {
                // node(1) splits at spaces outside quotes, and knows a backslash inside.
                let text = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
                let mut value = old.cloned().unwrap_or_default();
                value.push(if value.is_empty() { "" } else { " " });
                value.push(format!("--require \"{text}\""));
                ("NODE_OPTIONS", value)
            }
            Self::Python => {
                let mut value = path.parent().map(Path::as_os_str).unwrap_or_default().to_owned();
                if let Some(old) = old {
                    value.push(":");
                    value.push(old);
                }
                ("PYTHONPATH", value)
            }
        }
    }
}

/// Says where a hook comes to nothing.
pub(super) fn check(hooks: &[Hook], planned: &mut Planned) {
    if !hooks.is_empty() && planned.plan.level.value == Isolation::Sealed {
        planned.plan.warnings.push("--hook: no hook is needed in a seal, and none is loaded".into());
        return;
    }
    for hook in hooks {
        let (name, value) = hook.variable(Path::new("RUN"), None);
        let word = match hook {
            Hook::Node => "node",
            Hook::Python => "python",
        };
        let origin = Origin::Flag { flag: format!("--hook {word}") };
        let reason = "behind what is in it, the run's own file that leads its clients to the broker";
        planned.plan.set(name, value.to_string_lossy().into_owned(), reason, &origin);
    }
}

/// Has the child load each, from the run's own directory.
pub(super) fn add(hooks: &[Hook], planned: &mut Planned, place: &Path) {
    for hook in hooks {
        let known = |name: &str| planned.environment.iter().position(|(known, _)| known == name);
        let at = known(hook.variable(place, None).0);
        let (name, value) = hook.variable(place, at.map(|at| &planned.environment[at].1));
        match at {
            Some(at) => planned.environment[at].1 = value,
            None => planned.environment.push((name.into(), value)),
        }
    }
}

/// The paths of their files, with what stands in them.
pub(super) fn files(hooks: &[Hook], place: &Path) -> impl Iterator<Item = (PathBuf, &'static str)> {
    hooks.iter().map(|hook| hook.file()).map(move |(name, text)| (place.join(name), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_has_stays() {
        let place = Path::new("/a b/run");
        for (hook, old, expected) in [
            (Hook::Node, None, "--require \"/a b/run/node.cjs\""),
            (
                Hook::Node,
                Some("--max-old-space-size=4096"),
                "--max-old-space-size=4096 --require \"/a b/run/node.cjs\"",
            ),
            (Hook::Python, None, "/a b/run/python"),
            (Hook::Python, Some(""), "/a b/run/python"),
            (Hook::Python, Some("/x:/y"), "/a b/run/python:/x:/y"),
        ] {
            let old = old.map(OsString::from);
            assert_eq!(hook.variable(place, old.as_ref()).1, expected, "{hook:?} {old:?}");
        }
    }
}
