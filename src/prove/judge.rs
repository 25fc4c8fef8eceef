//! What a pair of trials comes to. Pure.

use crate::attack::Group;

/// What became of an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It got this.
    Won(String),
    /// This stopped it.
    Lost(String),
    /// The machine has nothing to attack there, or refuses it to everyone: why.
    Impossible(String),
}

/// One attack, outside and inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub attack: &'static str,
    /// What it is after.
    pub group: Group,
    /// The same attack outside of a run.
    pub control: Seen,
    /// Inside; `None` where it was not tried.
    pub inside: Option<Seen>,
    /// Why this level does not stop it, where it is said not to.
    pub open: Option<&'static str>,
}

/// What a row proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It won outside and lost inside.
    Held,
    /// It won inside.
    Escaped,
    /// It won inside, as it is said to at this level.
    Open,
    /// It lost inside though it is said to win at this level: what is said is out of date.
    Stale,
    /// It won nowhere though it should have outside: nothing is proven, and something is wrong.
    NoControl,
    /// This machine cannot show it: nothing is proven.
    NotPossible,
}

impl Row {
    /// What it proves.
    pub fn verdict(&self) -> Verdict {
        match (&self.control, &self.inside) {
            (Seen::Won(_), Some(Seen::Won(_))) if self.open.is_some() => Verdict::Open,
            (_, Some(Seen::Won(_))) => Verdict::Escaped,
            (Seen::Won(_), Some(Seen::Lost(_))) if self.open.is_some() => Verdict::Stale,
            (Seen::Won(_), Some(Seen::Lost(_))) => Verdict::Held,
            (Seen::Impossible(_), _) | (_, Some(Seen::Impossible(_))) => Verdict::NotPossible,
            (Seen::Lost(_), _) | (Seen::Won(_), None) => Verdict::NoControl,
        }
    }
}

/// How the word of an attacker begins that left none.
pub(super) const NO_WORD: &str = "it left no word";

/// What a control that lost comes to: in some groups a machine may refuse the attack to everyone.
pub(super) fn control(group: Group, won: bool, said: String) -> Seen {
    const REFUSALS: [&str; 12] = [
        "EPERM",
        "EACCES",
        "ENOSYS",
        "ENODEV",
        "ENOTSUP",
        "EOPNOTSUPP",
        "EAFNOSUPPORT",
        "(os error 1)",
        "(os error 13)",
        "(os error 38)",
        "(os error 95)",
        "(os error 97)",
    ];
    let is_kernel = group.may_be_refused_by_the_machine() || said.starts_with("socket: ");
    if won {
        Seen::Won(said)
    } else if is_kernel && !said.starts_with(NO_WORD) && REFUSALS.iter().any(|word| said.contains(word)) {
        Seen::Impossible(format!("the machine itself refuses it: {said}"))
    } else {
        Seen::Lost(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(control: Seen, inside: Option<Seen>) -> Verdict {
        Row { attack: "x", group: Group::Kernel, control, inside, open: None }.verdict()
    }

    #[test]
    fn what_is_said_to_be_open_must_be_open() {
        let row =
            |control, inside| Row { attack: "x", group: Group::Files, control, inside, open: Some("so") }.verdict();
        let (won, lost) = (|| Seen::Won("it".into()), || Seen::Lost("no".into()));
        assert_eq!(row(won(), Some(won())), Verdict::Open);
        assert_eq!(row(won(), Some(lost())), Verdict::Stale);
        assert_eq!(row(lost(), Some(won())), Verdict::Escaped);
        assert_eq!(row(lost(), Some(lost())), Verdict::NoControl);
        assert_eq!(row(Seen::Impossible("x".into()), None), Verdict::NotPossible);
    }

    #[test]
    fn only_a_control_that_won_proves_anything() {
        let (won, lost) = (|| Seen::Won("it".into()), || Seen::Lost("no".into()));
        assert_eq!(row(won(), Some(lost())), Verdict::Held);
        assert_eq!(row(won(), Some(won())), Verdict::Escaped);
        assert_eq!(row(lost(), Some(lost())), Verdict::NoControl);
        assert_eq!(row(lost(), Some(won())), Verdict::Escaped);
        assert_eq!(row(Seen::Impossible("x".into()), None), Verdict::NotPossible);
        assert_eq!(row(Seen::Impossible("x".into()), Some(lost())), Verdict::NotPossible);
        assert_eq!(row(Seen::Impossible("x".into()), Some(won())), Verdict::Escaped);
        assert_eq!(row(won(), None), Verdict::NoControl);
    }

    #[test]
    fn a_refusal_of_the_kernel_is_no_broken_control() {
        let said = "the call: Function not implemented (os error 38)";
        assert!(matches!(control(Group::Kernel, false, said.into()), Seen::Impossible(_)));
        assert!(matches!(control(Group::Files, false, said.into()), Seen::Lost(_)));
        assert!(matches!(control(Group::Kernel, false, "not listed".into()), Seen::Lost(_)));
        assert!(matches!(control(Group::Kernel, true, said.into()), Seen::Won(_)));
    }
}
