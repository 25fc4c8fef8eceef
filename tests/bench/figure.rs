//! A measured figure, its budget, and the limit at which a check fails.
//!
//! **Trade-off.** A budget says what is wanted and is told; a limit holds what is there, so that a change which loses it
//! does not pass unseen. What a clock gives on a shared machine is at times half as good as it was a minute ago, so such a
//! figure may be twice as bad as its budget. Sizes, and times that stand far from their budgets, have no such excuse.
//! Other load makes a figure worse and hardly ever better: what is beyond its limit is measured anew, and the best counts.

use std::fmt;

/// How often what is beyond its limit is measured.
const TAKES: usize = 3;

/// A measured figure beside its budget.
pub(crate) struct Figure {
    what: &'static str,
    value: f64,
    unit: &'static str,
    budget: Budget,
    /// How many times worse than its budget it may be before a check fails.
    leeway: f64,
    note: String,
}

#[derive(Clone, Copy)]
enum Budget {
    AtMost(f64),
    AtLeast(f64),
    /// There is none: the figure is told.
    None,
}

/// How a figure stands to its budget and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Told,
    Met,
    Missed,
    /// Worse than the limit.
    Failed,
}

/// How many of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) met: usize,
    pub(crate) missed: usize,
    pub(crate) failed: usize,
}

impl Figure {
    /// The less the better.
    pub(crate) fn at_most(what: &'static str, value: f64, unit: &'static str, budget: f64) -> Self {
        Self { what, value, unit, budget: Budget::AtMost(budget), leeway: 2.0, note: String::new() }
    }

    /// The more the better.
    pub(crate) fn at_least(what: &'static str, value: f64, unit: &'static str, budget: f64) -> Self {
        Self { budget: Budget::AtLeast(budget), ..Self::at_most(what, value, unit, budget) }
    }

    /// Without a budget.
    pub(crate) fn told(what: &'static str, value: f64, unit: &'static str) -> Self {
        Self { budget: Budget::None, ..Self::at_most(what, value, unit, 0.0) }
    }

    /// A check fails as soon as the budget is missed.
    pub(crate) fn strictly(self) -> Self {
        self.within(1.0)
    }

    /// A check fails when it is more than `leeway` times worse than its budget.
    pub(crate) fn within(self, leeway: f64) -> Self {
        Self { leeway, ..self }
    }

    pub(crate) fn note(self, note: String) -> Self {
        Self { note, ..self }
    }

    fn is_within(&self, leeway: f64) -> bool {
        // What is no number is within nothing.
        match self.budget {
            Budget::AtMost(budget) => self.value <= budget * leeway,
            Budget::AtLeast(budget) => self.value >= budget / leeway,
            Budget::None => true,
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self.budget {
            Budget::None => Verdict::Told,
            _ if !self.is_within(self.leeway) => Verdict::Failed,
            _ if !self.is_within(1.0) => Verdict::Missed,
            _ => Verdict::Met,
        }
    }

    /// The better of two takes of one figure.
    fn best(self, other: Self) -> Self {
        let is_better = match self.budget {
            Budget::AtMost(_) | Budget::None => other.value < self.value,
            Budget::AtLeast(_) => other.value > self.value,
        };
        if is_better || self.value.is_nan() { other } else { self }
    }
}

/// Measures; with `check` anew, as long as a figure is beyond its limit and takes are left.
pub(crate) fn settled(check: bool, mut take: impl FnMut() -> Vec<Figure>) -> Vec<Figure> {
    let mut figures = take();
    let failed = |figures: &[Figure]| figures.iter().any(|figure| figure.verdict() == Verdict::Failed);
    for _ in 1..TAKES {
        if !check || !failed(&figures) {
            break;
        }
        figures = figures.into_iter().zip(take()).map(|(one, other)| one.best(other)).collect();
    }
    figures
}

impl Count {
    pub(crate) fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Told => {}
            Verdict::Met => self.met += 1,
            Verdict::Missed => self.missed += 1,
            Verdict::Failed => self.failed += 1,
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { met, missed, failed } = self;
        write!(formatter, "{met} budgets met, {missed} missed, {failed} beyond their limits")
    }
}

/// The first line of the table.
pub(crate) fn heading() -> String {
    format!("{:30} {:>10} {:5} {:>9} {:>9}  {:7} note", "what", "measured", "", "budget", "limit", "")
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (budget, limit) = match self.budget {
            Budget::AtMost(budget) => (format!("<= {budget}"), format!("<= {}", budget * self.leeway)),
            Budget::AtLeast(budget) => (format!(">= {budget}"), format!(">= {}", budget / self.leeway)),
            Budget::None => <(String, String)>::default(),
        };
        let verdict = match self.verdict() {
            Verdict::Told => "",
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Failed => "FAILED",
        };
        let Self { what, value, unit, note, .. } = self;
        write!(formatter, "{what:30} {value:>10.3} {unit:5} {budget:>9} {limit:>9}  {verdict:7} {note}")
    }
}
