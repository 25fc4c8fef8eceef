//! What this machine can give, found by doing it: a whole seal is built, verified from inside and taken down again.

use std::path::Path;

use super::error::SandboxError;
use super::failure::Failure;
use super::guard::{GuardFacts, GuardProfile};
use super::handle::Stage;
use super::mechanism::Mechanism;
use super::message::Facts;
use super::profile::Profile;

/// What was found of one mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// Whether it works here.
    pub verdict: Verdict,
}

/// Whether a mechanism works on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Works,
    /// It does not.
    Missing {
        /// The step that failed.
        failure: Failure,
        /// What the user can do about it, in one line.
        mend: String,
    },
    /// An earlier one is missing.
    Untried,
}

/// What this machine can give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detection {
    /// One fact a mechanism, in the order in which a seal is built.
    pub facts: Vec<Fact>,
    /// What the seal turned out to be, if there is one.
    pub seal: Option<Facts>,
}

impl Detection {
    /// Whether a run can be sealed.
    pub fn can_seal(&self) -> bool {
        self.seal.is_some()
    }

    fn of(outcome: Result<Facts, (Failure, String)>) -> Self {
        let mut missing = outcome.as_ref().err();
        let mut after = false;
        let facts = Mechanism::SEAL.iter().map(|&mechanism| {
            let here = missing.take_if(|(failure, _)| failure.mechanism == mechanism);
            let verdict = match here {
                Some((failure, mend)) => {
                    after = true;
                    Verdict::Missing { failure: failure.clone(), mend: mend.clone() }
                }
                None if after => Verdict::Untried,
                None => Verdict::Works,
            };
            Fact { mechanism, verdict }
        });
        Self { facts: facts.collect(), seal: outcome.ok() }
    }
}

/// Tries everything with a stage that was just started, as it would be for a run of the user whose home directory is
/// `home`.
pub fn detect(mut stage: Stage, home: &Path) -> Result<Detection, SandboxError> {
    let profile =
        Profile { home: home.to_owned(), working_directory: "/".into(), own_terminal: true, ..Profile::default() };
    stage.establish(profile)?;
    stage.lay(Vec::new())?;
    match stage.established() {
        Ok(established) => Ok(Detection::of(Ok(established.facts))),
        Err(SandboxError::Refused { failure, mend }) => Ok(Detection::of(Err((failure, mend)))),
        Err(error) => Err(error),
    }
}

/// Puts up a guard with a monitor that was just started, as it would be for a run of the user whose home directory is
/// `home`, in a directory `own` that is made for it and removed again.
pub fn detect_guard(mut monitor: Stage, home: &Path, own: &Path) -> Result<GuardFacts, SandboxError> {
    let profile = GuardProfile {
        working_directory: "/".into(),
        home: home.to_owned(),
        own: own.to_owned(),
        own_terminal: true,
        ..GuardProfile::default()
    };
    monitor.guard(&profile).map(|guarded| guarded.facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_missing_mechanism_is_untried() {
        let failure = Failure { mechanism: Mechanism::FreshProc, step: String::new(), path: None, errno: Some(1) };
        let detection = Detection::of(Err((failure, "mend".into())));
        let count = |wanted: fn(&Verdict) -> bool| detection.facts.iter().filter(|fact| wanted(&fact.verdict)).count();
        assert!(!detection.can_seal());
        assert_eq!(count(|verdict| matches!(verdict, Verdict::Missing { .. })), 1);
        assert_eq!(detection.facts[0].verdict, Verdict::Works);
        assert_eq!(detection.facts.last().unwrap().verdict, Verdict::Untried);
        assert!(Detection::of(Ok(Facts::default())).facts.iter().all(|fact| fact.verdict == Verdict::Works));
    }
}
