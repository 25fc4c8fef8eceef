//! Which variables are secret, by name: `policies/scrub.toml` as a decision.
//!
//! **Invariants.** Pure and case-blind for words, exact for exact names. The value rules of the catalogue apply to kept
//! names as well.

mod words;

use serde::Deserialize;

use super::catalogue::KeyPattern;
use super::glob::NameGlob;
use words::Words;

/// What a variable's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameVerdict {
    /// Kept although it may look secret; its value is judged all the same.
    Keep,
    /// Holds a secret.
    Secret,
    /// Holds a secret, unless its value is plain text or a number.
    Weak,
    /// The same, and a number of a few digits is one: the code of a card or of a login.
    Code,
    /// Holds no secret and hands out power: agents, buses, daemons. Removed unless asked for.
    Power,
    /// Says nothing; its value decides.
    Neutral,
}

/// A verdict with the rule that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameJudgement {
    /// The verdict.
    pub verdict: NameVerdict,
    /// The rule for people: `` the word `TOKEN` ``; empty where no rule applied.
    pub rule: String,
}

/// The rules of `policies/scrub.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScrubRules {
    secret: Names,
    keep: Names,
    powers: Names,
    /// Sections of git's configuration that hold no secret.
    git_sections: Vec<String>,
    words: Words,
    values: Vec<ValuePattern>,
}

/// Names, each exact or with `*`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    exact: Vec<String>,
    #[serde(default)]
    patterns: Vec<NameGlob>,
}

/// The form of a credential that the catalogue does not broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValuePattern {
    /// What it is, for people.
    pub title: String,
    /// Its forms.
    pub keys: Vec<KeyPattern>,
}

impl ScrubRules {
    /// Judges a variable by its name.
    pub fn classify_name(&self, name: &str) -> NameJudgement {
        let judge = |verdict, rule: String| NameJudgement { verdict, rule };
        for (names, verdict) in
            [(&self.secret, NameVerdict::Secret), (&self.powers, NameVerdict::Power), (&self.keep, NameVerdict::Keep)]
        {
            if names.exact.iter().any(|exact| exact == name) {
                return judge(verdict, format!("the name `{name}`"));
            }
        }
        for (names, verdict) in
            [(&self.secret, NameVerdict::Secret), (&self.powers, NameVerdict::Power), (&self.keep, NameVerdict::Keep)]
        {
            if let Some(pattern) = names.patterns.iter().find(|pattern| pattern.matches(name)) {
                return judge(verdict, format!("names like `{}`", pattern.as_str()));
            }
        }
        match self.words.judge(name) {
            Some((verdict, word)) => judge(verdict, format!("the word `{word}`")),
            None => judge(NameVerdict::Neutral, String::new()),
        }
    }

    /// Whether the value of `setting`, as in `safe.directory`, is no secret by its name.
    pub fn is_plain_setting_of_git(&self, setting: &str) -> bool {
        let section = setting.split('.').next().unwrap_or_default();
        self.git_sections.iter().any(|plain| plain.eq_ignore_ascii_case(section))
    }

    /// Forms of credentials outside the catalogue.
    pub(super) fn values(&self) -> &[ValuePattern] {
        &self.values
    }
}

#[cfg(test)]
mod tests;
