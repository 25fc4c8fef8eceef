//! What this machine can give.

use super::failure::Failure;

/// One line that says what the user can do about `failure`.
pub(super) fn mend(_: &Failure) -> String {
    String::new()
}

/// What [`detect`] found of one mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The mechanism.
    pub mechanism: super::Mechanism,
    /// Why it is missing and what the user can do about it; `None` if it is there.
    pub missing: Option<(Failure, String)>,
}

/// What this machine can give, found by doing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// One fact a mechanism, in the order in which a seal is built; those after a missing one were not tried.
    pub facts: Vec<Fact>,
}

impl Detection {
    /// Whether a run can be sealed.
    pub fn can_seal(&self) -> bool {
        self.facts.iter().all(|fact| fact.missing.is_none())
    }
}

/// Builds a whole seal around an empty project, verifies it and takes it down again.
pub fn detect(mut stage: super::Stage) -> Result<Detection, super::SandboxError> {
    match stage.establish(&super::Profile::default()) {
        Ok(_) => Ok(Detection { facts: Vec::new() }),
        Err(super::SandboxError::Refused { failure, mend }) => {
            let fact = Fact { mechanism: failure.mechanism, missing: Some((failure, mend)) };
            Ok(Detection { facts: vec![fact] })
        }
        Err(error) => Err(error),
    }
}
