//! Why no plan can be made.

use std::path::PathBuf;

use crate::mask::MaskError;
use crate::secret::SecretName;

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The command line itself holds a secret, which every process could read.
    #[error("argument {position} of the command holds the value of `{name}`")]
    SecretInArgument {
        /// Its position, the command being 0.
        position: usize,
        /// The secret.
        name: SecretName,
    },
    /// A file that must be masked and cannot be.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// Files of the project show secrets, and the level cannot mask them.
    #[error("at the level `guarded` the child could read the secrets in {}", listed(.paths))]
    Readable {
        /// The files.
        paths: Vec<PathBuf>,
    },
    /// The system's random source failed.
    #[error("the system gave no random bytes for a placeholder")]
    Random,
}

impl PlanError {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SecretInArgument { name, .. } => {
                let hint = "let the command read it where it stands, in its variable or file: the child finds a placeholder \
                            there";
                if !is_variable(name.as_str()) {
                    return Some(hint.to_owned());
                }
                Some(format!(
                    "{hint}; a shell that expands the variable inside the run works too: agentsecrets run -- sh -c \
                     'COMMAND \"${name}\"'"
                ))
            }
            Self::Mask(error) => error.hint(),
            Self::Readable { paths } => Some(format!(
                "move {} out of the project and start with its variables exported, which are brokered: \
                 set -a; . ELSEWHERE; set +a; agentsecrets run …\n\
                 `--isolation sealed` shows placeholders in its place; `--allow-readable-dotenv` starts all the same",
                if paths.len() == 1 { "the file" } else { "each file" }
            )),
            Self::Random => None,
        }
    }
}

/// Every path: each has to be mended.
fn listed(paths: &[PathBuf]) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    quoted.join(", ")
}

/// Whether a shell can expand it: the second value of a name in a file is called `NAME.2`.
fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_expands_only_what_a_shell_can() {
        for (name, expands) in [("API_KEY", true), ("API_KEY.2", false), ("claude-login.refreshToken", false)] {
            let error = PlanError::SecretInArgument { position: 1, name: SecretName::new(name).unwrap() };
            let hint = error.hint().unwrap();
            assert_eq!(hint.contains(&format!("${name}")), expands, "{hint}");
        }
    }
}
