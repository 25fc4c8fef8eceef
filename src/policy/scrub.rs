//! Which variables are secret, by name: `policies/scrub.toml` as a decision.
//!
//! **Invariants.** Pure and case-blind for words, exact for exact names. The value rules of the catalogue apply to kept
//! names as well.

use serde::Deserialize;

use super::catalogue::KeyPattern;
use super::glob::NameGlob;

/// What a variable's name says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameVerdict {
    /// Kept although it may look secret; its value is judged all the same.
    Keep,
    /// Holds a secret.
    Secret,
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

/// The words that make up names.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Words {
    secret: Vec<String>,
    secret_at_end: Vec<String>,
    key_is_harmless_after: Vec<String>,
    harmless: Vec<String>,
    harmless_at_end: Vec<String>,
    harmless_prefixes: Vec<String>,
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

    /// Forms of credentials outside the catalogue.
    pub(super) fn values(&self) -> &[ValuePattern] {
        &self.values
    }
}

impl Words {
    fn judge(&self, name: &str) -> Option<(NameVerdict, String)> {
        if let Some(prefix) = self.harmless_prefixes.iter().find(|prefix| name.starts_with(prefix.as_str())) {
            return Some((NameVerdict::Keep, prefix.clone()));
        }
        let words = words_of(name);
        let last = words.last()?;
        let holds = |list: &[String], word: &String| list.contains(word);
        if let Some(word) = words.iter().find(|word| holds(&self.harmless, word)) {
            return Some((NameVerdict::Keep, word.clone()));
        }
        if holds(&self.harmless_at_end, last) {
            return Some((NameVerdict::Keep, last.clone()));
        }
        if let Some(word) = words.iter().find(|word| holds(&self.secret, word)) {
            return Some((NameVerdict::Secret, word.clone()));
        }
        let before = words.len().checked_sub(2).map(|index| &words[index]);
        let is_harmless_key = last == "KEY" && before.is_some_and(|word| holds(&self.key_is_harmless_after, word));
        (holds(&self.secret_at_end, last) && !is_harmless_key).then(|| (NameVerdict::Secret, last.clone()))
    }
}

/// The words of a name in upper case: split at what is neither letter nor digit, and at camel-case humps.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for character in name.chars() {
        let starts_hump = before.is_lowercase() && character.is_uppercase();
        if starts_hump || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_uppercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}
