//! Why no plan can be made.

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
    /// The system's random source failed.
    #[error("the system gave no random bytes for a placeholder")]
    Random,
}

impl PlanError {
    /// How to mend it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::SecretInArgument { name, .. } => Some(format!(
                "let the command read it from the environment: the child sees a placeholder in `{name}` there, and a \
                 shell that expands it inside the run works too: agentsecrets run -- sh -c 'COMMAND \"${name}\"'"
            )),
            Self::Mask(error) => error.hint(),
            Self::Random => None,
        }
    }
}
