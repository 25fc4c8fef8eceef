//! Which attacks are tried, and which of them share a run. Pure, apart from what the kernel is asked to have.

use std::path::Path;

use super::Level;
use super::judge::{Row, Seen};
use crate::attack::{Control, Evidence, Group, Need, Start, TRIALS, Trial, Who};

/// Attacks that are tried in one run.
#[derive(Debug)]
pub(super) struct Batch {
    /// How the run is started.
    pub(super) start: Start,
    /// Whether its project shows the canary in files.
    pub(super) has_dotenv: bool,
    /// The attacks.
    pub(super) trials: Vec<&'static Trial>,
}

/// Where, as whom and against what attacks are tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) level: Level,
    /// The version of Landlock that runs have here; 0 is none.
    pub(super) landlock: u32,
    pub(super) is_root: bool,
    pub(super) has_v6: bool,
    /// Why no keychain can be attacked.
    pub(super) no_keychain: Option<&'a str>,
    /// Where everything is planted.
    pub(super) place: &'a Path,
}

impl<'a> Scope<'a> {
    /// Whether an attack can be shown on a user's machine, as this user.
    fn has(self, trial: &Trial) -> bool {
        let fits = match trial.who {
            Who::Both => true,
            Who::Root => self.is_root,
            Who::Ordinary => !self.is_root,
        };
        let of_the_level = !trial.guarded_only || self.level == Level::Guarded;
        fits && of_the_level && !trial.suite_only && trial.control == Control::Outside
    }

    /// Why this level leaves an attack open.
    pub(super) fn opening(self, trial: &Trial) -> Option<&'static str> {
        let opening = trial.opening.filter(|opening| self.level == Level::Guarded && opening.is_open(self.landlock));
        opening.map(|opening| opening.reason)
    }

    fn trials(self) -> impl Iterator<Item = &'static Trial> {
        TRIALS.iter().filter(move |trial| self.has(trial))
    }

    /// What this machine lacks for an attack.
    fn missing(self, trial: &Trial) -> Option<&'a str> {
        let uses_v6 = trial.group == Group::Network && trial.attack.contains("ipv6");
        if uses_v6 && !self.has_v6 {
            return Some("this machine has no IPv6 loopback");
        }
        match trial.needs? {
            Need::Keychain => self.no_keychain,
            need => need.missing(self.place),
        }
    }

    /// The batches of a proof. An attack that would spoil what others find stands alone.
    pub(super) fn batches(self) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        for trial in self.trials().filter(|trial| self.missing(trial).is_none()) {
            // Guarded runs do not start where a project shows a secret in files; there that is what holds.
            let has_dotenv = self.level != Level::Guarded || needs_dotenv(trial);
            let fits = |batch: &&mut Batch| {
                let is_alone = is_alone(trial) || batch.trials.iter().any(|other| is_alone(other));
                !is_alone && batch.start == trial.start && batch.has_dotenv == has_dotenv
            };
            match batches.iter_mut().find(fits) {
                Some(batch) => batch.trials.push(trial),
                None => batches.push(Batch { start: trial.start, has_dotenv, trials: vec![trial] }),
            }
        }
        batches
    }

    /// The rows of attacks that this machine cannot show.
    pub(super) fn impossible(self) -> impl Iterator<Item = Row> + use<'a> {
        let skipped = self.trials().filter_map(move |trial| Some((trial, self.missing(trial)?)));
        skipped.map(|(trial, reason)| Row {
            attack: trial.attack,
            group: trial.group,
            control: Seen::Impossible(reason.to_owned()),
            inside: None,
            open: None,
        })
    }
}

fn is_alone(trial: &Trial) -> bool {
    trial.spoils || trial.evidence == Evidence::Outlived
}

/// Whether an attack is at a file that shows a secret in the project.
fn needs_dotenv(trial: &Trial) -> bool {
    let by_descriptor = [Start::StdinDirectory, Start::StdinDotenv, Start::InheritedDirectory, Start::InheritedDotenv];
    let is_beside = ["dotenv", "backup", "swap", "autosave", "lock-file", "inside-run"]
        .iter()
        .any(|word| trial.attack.contains(word));
    is_beside || by_descriptor.contains(&trial.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spoils_stands_alone_and_nothing_is_lost() {
        for level in [Level::Sealed, Level::Guarded] {
            for is_root in [false, true] {
                let scope =
                    Scope { level, landlock: 3, is_root, has_v6: false, no_keychain: None, place: Path::new("/") };
                let batches = scope.batches();
                let tried: usize = batches.iter().map(|batch| batch.trials.len()).sum();
                assert_eq!(tried + scope.impossible().count(), scope.trials().count());
                for batch in batches {
                    assert!(batch.trials.len() == 1 || !batch.trials.iter().any(|trial| is_alone(trial)));
                    assert!(batch.trials.iter().all(|trial| trial.start == batch.start));
                }
            }
        }
    }

    #[test]
    fn a_seal_leaves_nothing_open_and_a_guard_what_its_kernel_cannot_judge() {
        let open = |level, landlock| {
            let scope =
                Scope { level, landlock, is_root: true, has_v6: true, no_keychain: None, place: Path::new("/") };
            scope.trials().filter_map(|trial| scope.opening(trial).map(|_| trial.attack)).collect::<Vec<_>>()
        };
        assert_eq!(open(Level::Sealed, 1), [""; 0]);
        let (new, old) = (open(Level::Guarded, 7), open(Level::Guarded, 2));
        assert!(new.contains(&"write-git-hook") && !new.contains(&"tcp-other-port"), "{new:?}");
        assert!(new.iter().all(|attack| old.contains(attack)) && old.contains(&"truncate-outside"), "{old:?}");
        assert!(!open(Level::Guarded, 3).contains(&"truncate-outside"));
    }

    #[test]
    fn every_group_has_an_attack() {
        let scope = Scope {
            level: Level::Sealed,
            landlock: 0,
            is_root: true,
            has_v6: true,
            no_keychain: None,
            place: Path::new("/"),
        };
        for group in Group::ALL {
            assert!(scope.trials().any(|trial| trial.group == group), "{}", group.name());
        }
    }
}
