//! Secrets of structured files: where the rules say that they are.

use jiff::Timestamp;

use super::claims::Settled;
use super::coded;
use super::form::FAR_SECONDS;
use super::hosts::Hosts;
use super::wants::{Want, Wants, wants};
use crate::mask::{Found, Place, Site};
use crate::policy::{self, Coding, Field, Judge, Merged, Note, Render, Target};
use crate::scrub::{self, Cause, Judgement, Stretch};
use crate::secret::Held;

/// What stands before the name of a variable that would win over the run's own.
pub(super) const OVERRULED: &str = "AGENTSECRETS_OVERRULED_";

/// The least length of the end of a secret that counts as one; Claude Code remembers 20 characters.
const LEAST_ENDING: usize = 16;

/// Judges a site of a structured file. Outside the named fields the form of a value speaks alone.
pub(super) fn wants_of(site: &Site<'_>, found: &Found, fields: &[Field], hosts: &Hosts, policy: &Merged) -> Wants {
    if matches!(site.place, Place::Number | Place::Switch) || site.text.is_empty() {
        return Wants::Nothing;
    }
    let field = fields.iter().find(|field| site.place == Place::Value && covers(&field.at, site.pointer));
    let told = field.map(|field| hosts.told(field, site.pointer)).unwrap_or_default();
    let wants = match field.map(|field| (field.judge, field)) {
        Some((Judge::Always, _)) if refers(site) => Wants::Nothing,
        Some((Judge::Always, field)) => Wants::Secrets(vec![whole(site, found, field, told)]),
        Some((Judge::ByName, _)) => with_hosts(wants(site, policy), found, &told),
        Some((Judge::Random, _)) => match wants(site, policy) {
            Wants::Nothing => {
                let within = scrub::in_free_text(site.text);
                let is_whole = within.is_empty() && scrub::is_random(site.text);
                let whole = is_whole.then(|| random(site, found));
                with_hosts(some(within.into_iter().chain(whole).collect(), site), found, &told)
            }
            known => with_hosts(known, found, &told),
        },
        None if site.place == Place::Text => wants(site, policy),
        _ => some(scrub::in_value(site.text), site),
    };
    in_urls(site, wants, hosts)
}

/// These stretches, if there are any.
fn some(stretches: Vec<Stretch>, site: &Site<'_>) -> Wants {
    let name = |range: Option<std::ops::Range<usize>>| range.map_or(site.key, |range| &site.text[range]);
    let want = |stretch: Stretch| Want::new(stretch.range, name(stretch.name), stretch.cause);
    let found: Vec<Want> = stretches.into_iter().map(want).collect();
    if found.is_empty() { Wants::Nothing } else { Wants::Secrets(found) }
}

/// The whole of a value that is random.
fn random(site: &Site<'_>, found: &Found) -> Stretch {
    let cause = Cause { entry: None, reason: "is a random text in this file".into(), origin: found.origin.clone() };
    Stretch { range: 0..site.text.len(), name: None, cause }
}

/// Whether a value is one reference to a variable, as `${NPM_TOKEN}`: what that resolves to is a placeholder already.
fn refers(site: &Site<'_>) -> bool {
    let name = site.text.strip_prefix(b"${").and_then(|rest| rest.strip_suffix(b"}")).map(<[u8]>::trim_ascii);
    let is_name =
        |name: &[u8]| !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    site.is_interpolated() && name.is_some_and(|name| is_name(name.strip_suffix(b"?").unwrap_or(name)))
}

fn whole(site: &Site<'_>, found: &Found, field: &Field, told: Vec<Target>) -> Want {
    let named = field.credential.as_deref().and_then(|name| name.split_once('/'));
    let entry = named.and_then(|(service, credential)| policy::catalogue().entry(service, credential));
    let (range, coded) = coded::secret(site.text, field.coding);
    let value = coded.as_ref().map_or(&site.text[range.clone()], |coded| &coded.value);
    let by_form = policy::catalogue().recognise("", value).filter(|_| entry.is_none());
    let name = match entry.and_then(|entry| entry.credential.variables.first()) {
        Some(variable) if told.is_empty() => variable.clone().into_bytes(),
        _ => named_by_file(found, &told, site.key),
    };
    let reason = match (entry.or(by_form), told.first()) {
        (_, Some(host)) => format!("is a login to {host} by this file"),
        (Some(entry), None) => format!("is a login to {}", entry.service.title),
        (None, None) => "is a secret field of this file".into(),
    };
    let hide_only = entry.is_none() && field.host.is_none() && field.coding == Coding::Plain;
    let cause = Cause { entry: entry.or(by_form.filter(|_| !hide_only)), reason, origin: found.origin.clone() };
    let want = Want::new(range, &name, cause);
    Want { form: field.form, hide_only, coded, told, ..want }
}

/// What a secret is called that has no name but its key: by its file and, where that tells several apart, by its host.
fn named_by_file(found: &Found, told: &[Target], key: &[u8]) -> Vec<u8> {
    let host = told.first().map(ToString::to_string);
    let file = found.id.as_deref().unwrap_or("file");
    let parts = [Some(file.as_bytes()), host.as_deref().map(str::as_bytes), Some(key)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(&b"."[..])
}

/// The same secrets with the hosts that the file names for them.
fn with_hosts(wants: Wants, found: &Found, told: &[Target]) -> Wants {
    match wants {
        Wants::Secrets(wants) if !told.is_empty() => {
            let named = |want: Want| Want { name: named_by_file(found, told, &want.name), told: told.to_vec(), ..want };
            Wants::Secrets(wants.into_iter().map(named).collect())
        }
        other => other,
    }
}

/// Secrets in the userinfo of a URL are for its host, and percent signs in them are read.
fn in_urls(site: &Site<'_>, wants: Wants, hosts: &Hosts) -> Wants {
    let Wants::Secrets(wants) = wants else { return wants };
    let of_url = |want: Want| {
        if want.coded.is_some() || site.text.get(want.range.end) != Some(&b'@') {
            return want;
        }
        let told = if want.told.is_empty() { hosts.of_url(site.text, &want.range) } else { want.told };
        let coded = if told.is_empty() { None } else { coded::percent(&site.text[want.range.clone()]) };
        Want { coded, told, ..want }
    };
    Wants::Secrets(wants.into_iter().map(of_url).collect())
}

/// What stands at a site that tells a client how to run, where that must read otherwise in a run.
pub(super) fn setting(site: &Site<'_>, render: &Render) -> Option<String> {
    let name = std::str::from_utf8(site.text).ok()?;
    let is_variable = site.place == Place::Key && render.environment.as_deref() == Some(site.pointer);
    if is_variable && policy::trust_rules().governs(name) {
        return Some(format!("{OVERRULED}{name}"));
    }
    let is_off = |at: &String| site.place == Place::Switch && site.text == b"true" && covers(at, site.pointer);
    render.off.iter().any(is_off).then(|| "false".to_owned())
}

/// The end of a secret's placeholder where the end of the secret stands: clients remember keys by it.
pub(super) fn ending(site: &Site<'_>, fields: &[Field], settled: &Settled) -> Option<String> {
    let field = fields.iter().find(|field| site.place == Place::Value && covers(&field.at, site.pointer))?;
    if field.judge != Judge::Ending || site.text.len() < LEAST_ENDING {
        return None;
    }
    let ends = |held: &Held| held.value().is_some_and(|value| value.expose().ends_with(site.text));
    let held = settled.table().iter().find(|(_, held)| ends(held))?.1;
    let placeholder = held.placeholder.as_str();
    Some(placeholder.get(placeholder.len().checked_sub(site.text.len())?..)?.to_owned())
}

/// What the rules have to say of a site.
pub(super) fn note(site: &Site<'_>, notes: &[Note]) -> Option<String> {
    let note = notes.iter().find(|note| site.place == Place::Value && covers(&note.at, site.pointer))?;
    Some(format!("`{}` in it {}", String::from_utf8_lossy(site.key), note.say))
}

/// Remembers the option that stands in front of an argument: `["--api-key", "abc"]`.
#[derive(Default)]
pub(super) struct Options {
    /// The array, and the option's name without dashes.
    last: Option<(String, Vec<u8>)>,
}

impl Options {
    /// The secret that `site` is because of the option in front of it.
    pub(super) fn wants(&mut self, site: &Site<'_>, policy: &Merged) -> Wants {
        let (array, _) = site.pointer.rsplit_once('/').unwrap_or_default();
        let last = self.last.take().filter(|(before, _)| before == array);
        if site.place != Place::Value {
            return Wants::Nothing;
        }
        if site.text.starts_with(b"-") {
            let dashes = site.text.iter().take_while(|byte| **byte == b'-').count();
            self.last = Some((array.to_owned(), site.text[dashes..].to_vec()));
            return Wants::Nothing;
        }
        match last.map(|(_, name)| scrub::judge(&name, site.text, policy)) {
            Some(Judgement::Whole(cause)) if !site.is_interpolated() => {
                Wants::Secrets(vec![Want::new(0..site.text.len(), site.key, cause)])
            }
            _ => Wants::Nothing,
        }
    }
}

/// Whether a JSON pointer is covered by a pattern in which `*` is any one segment, and `**` at its end any path.
fn covers(pattern: &str, pointer: &str) -> bool {
    let mut wanted = pattern.split('/');
    let mut segments = pointer.split('/');
    loop {
        match (wanted.next(), segments.next()) {
            (None, None) | (Some("**"), _) => return true,
            (Some(wanted), Some(segment)) if wanted == "*" || wanted == segment => {}
            _ => return false,
        }
    }
}

/// A time in a login file that its client acts on.
pub(super) struct Time {
    /// What stands there for the child.
    pub(super) text: String,
    /// Whether the real one is over.
    pub(super) is_past: bool,
}

/// Moves the end of a login so far away that no client refreshes it: the answer would hold a real token.
pub(super) fn time(site: &Site<'_>, fields: &[Field], now: Timestamp) -> Option<Time> {
    if !fields.iter().any(|field| field.credential.is_some()) {
        return None;
    }
    match (site.place, site.key) {
        (Place::Number, b"expiresAt" | b"expires_at" | b"expiry_date" | b"expires") => {
            let number: i64 = std::str::from_utf8(site.text).ok()?.parse().ok()?;
            let is_in_milliseconds = number > 100_000_000_000;
            let (far, now) = if is_in_milliseconds {
                (FAR_SECONDS * 1000, now.as_millisecond())
            } else {
                (FAR_SECONDS, now.as_second())
            };
            Some(Time { text: far.to_string(), is_past: number < now })
        }
        // Codex refreshes what was refreshed long ago.
        (Place::Value, b"last_refresh") => Some(Time { text: now.to_string(), is_past: false }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_segment() {
        for (pattern, pointer, expected) in [
            ("/a/b", "/a/b", true),
            ("/a/*/c", "/a/x/c", true),
            ("/a/*", "/a/x/y", false),
            ("/a", "/b", false),
            ("/*", "", false),
            ("/**", "/a/x", true),
            ("/a/**", "/b/x", false),
            ("", "", true),
        ] {
            assert_eq!(covers(pattern, pointer), expected, "{pattern} {pointer}");
        }
    }
}
