//! A file that is rendered: judged once, then written with placeholders.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use jiff::Timestamp;

use super::claims::{Claims, Settled};
use super::fields;
use super::hosts::Hosts;
use super::known::{self, Reach};
use super::replace::{Part, replacements, texts};
use super::wants::{Want, Wants, wants};
use crate::mask::{self, Content, Dialect, Found, MaskError, Notation, Place, Realm, Replacement, Site, Structure};
use crate::policy::{Format, Isolation, Merged, OwnAuthority, Render};
use crate::scrub::{self, Cause, Judgement};
use crate::secret::SecretId;

/// A file with the judgement of each of its sites.
pub(super) struct Rendered<'a> {
    found: &'a Found,
    render: &'a Render,
    bytes: &'a [u8],
    notation: Notation,
    hosts: Hosts,
    /// One for each site, in the order in which the renderer meets them.
    judged: Vec<Wants>,
}

/// What became of a file.
#[derive(Default)]
pub(super) struct Outcome {
    /// What the child reads.
    pub(super) bytes: Vec<u8>,
    /// The keys whose values were replaced.
    pub(super) keys: Vec<String>,
    /// Whose the brokered secrets in it are.
    pub(super) owners: Vec<String>,
    /// A login in it has ended, so that its placeholder stands for nothing that still works.
    pub(super) has_expired: bool,
    /// What the user should know of it, as the rest of a sentence that begins with the file.
    pub(super) notes: Vec<String>,
}

impl<'a> Rendered<'a> {
    /// Judges a file; `None` for one that is not rendered.
    pub(super) fn new(found: &'a Found, policy: &Merged) -> Option<Self> {
        let (Some(render), Content::Bytes(bytes)) = (&found.render, &found.content) else { return None };
        let notation = notation(render.format, &found.path);
        let mut file = Self { found, render, bytes, notation, hosts: Hosts::default(), judged: Vec::new() };
        file.hosts =
            Hosts::of(found, &render.fields, policy.isolation.value == Isolation::Sealed, |look| file.visit(look));
        let repeated = if file.is_structured() { HashSet::new() } else { file.repeated(policy) };
        let mut judged = Vec::new();
        let mut options = fields::Options::default();
        file.visit(|site| {
            let by_option = options.wants(site, policy);
            judged.push(match file.judge(site, policy, &repeated) {
                Wants::Nothing if !matches!(notation, Notation::Dotenv(_)) => by_option,
                other => other,
            });
        });
        file.judged = judged;
        Some(file)
    }

    /// Shows every site. A file that turns out to be broken is hidden whole later; what comes before counts all the same.
    fn visit(&self, mut visitor: impl FnMut(&Site<'_>)) {
        let _ = mask::render(self.notation, self.bytes, &mut |site| {
            visitor(site);
            Replacement::Keep
        });
    }

    /// Variables of this file that a secret one repeats: `API_KEY=${RAW}` makes `RAW` secret.
    fn repeated(&self, policy: &Merged) -> HashSet<Vec<u8>> {
        let mut repeated = HashSet::new();
        self.visit(|site| {
            repeated.extend(site.refers_to.filter(|_| is_secret_name(site, policy)).map(<[u8]>::to_vec));
        });
        repeated
    }

    fn is_structured(&self) -> bool {
        !matches!(self.notation, Notation::Dotenv(_))
    }

    fn judge(&self, site: &Site<'_>, policy: &Merged, repeated: &HashSet<Vec<u8>>) -> Wants {
        if self.is_structured() {
            return fields::wants_of(site, self.found, &self.render.fields, &self.hosts, policy);
        }
        let is_repeated = site.place == Place::Value && repeated.contains(site.key);
        match wants(site, policy) {
            Wants::Nothing if is_repeated && !site.is_interpolated() && !site.text.is_empty() => {
                let reason = "is repeated by a variable that is secret by its name".into();
                let cause = Cause { entry: None, reason, origin: self.found.origin.clone() };
                Wants::Secrets(vec![Want::new(0..site.text.len(), site.key, cause)])
            }
            other => other,
        }
    }

    /// Whether the file itself says to which hosts its secrets belong.
    pub(super) fn names_hosts(&self) -> bool {
        self.render.fields.iter().any(|field| field.host.is_some())
    }

    /// How its values are written.
    pub(super) fn notation(&self) -> Notation {
        self.notation
    }

    /// Takes back the judgement of sites whose secrets are all harmless.
    pub(super) fn forget(&mut self, is_harmless: impl Fn(&[u8]) -> bool) {
        let mut judged = std::mem::take(&mut self.judged);
        let mut each = judged.iter_mut();
        self.visit(|site| {
            if let Some(judged) = each.next()
                && matches!(judged, Wants::Secrets(wants) if wants.iter().all(|want| is_harmless(want.value(site))))
            {
                *judged = Wants::Nothing;
            }
        });
        self.judged = judged;
    }

    /// Gathers the file's secrets.
    pub(super) fn claim(&self, claims: &mut Claims) {
        if !self.has_secrets() {
            return;
        }
        let place = self.found.path.to_string_lossy();
        let mut judged = self.judged.iter();
        self.visit(|site| {
            if let Some(Wants::Secrets(wants)) = judged.next() {
                for want in wants {
                    want.claim(site, &place, claims);
                }
            }
        });
    }

    /// The value that the file gives a variable, where it is one of environments and the user's own.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        let at = self.render.environment.as_deref().filter(|_| self.found.realm == Realm::Home)?;
        let pointer = format!("{at}/{name}");
        let mut value = None;
        self.visit(|site| {
            let is_it = match self.notation {
                Notation::Json | Notation::Structured(_) => site.pointer == pointer,
                Notation::Dotenv(_) => site.key == name.as_bytes(),
            };
            if site.place == Place::Value && is_it {
                value = Some(OsString::from_vec(site.value.to_vec()));
            }
        });
        value
    }

    /// Writes the file with placeholders, once all secrets are known.
    pub(super) fn write(&self, settled: &Settled, now: Timestamp) -> Result<Outcome, MaskError> {
        let own = self.own_secrets(settled);
        let mut judged = self.judged.iter();
        let mut outcome = Outcome::default();
        let mut is_unknown = false;
        outcome.bytes = mask::render(self.notation, self.bytes, &mut |site| {
            let judged = judged.next();
            if let Some(time) = fields::time(site, &self.render.fields, now) {
                outcome.has_expired |= time.is_past;
                return Replacement::Whole(time.text);
            }
            outcome.notes.extend(fields::note(site, &self.render.notes));
            if let Some(text) = fields::setting(site, self.render) {
                if site.place == Place::Key {
                    let name = String::from_utf8_lossy(site.text);
                    outcome
                        .notes
                        .push(format!("`{name}` in it is the run's own inside; export it, and the run heeds it"));
                }
                return Replacement::Whole(text);
            }
            // The run's authority takes the place of a cluster's own: without one the tool trusts what its variables name.
            if site.place == Place::Value && self.gives_way(site.pointer, settled).is_some() {
                outcome.keys.push(String::from_utf8_lossy(site.key).into_owned());
                return Replacement::Whole(String::new());
            }
            if let Some(ending) = fields::ending(site, &self.render.fields, settled) {
                return Replacement::Whole(ending);
            }
            let wants = match judged {
                Some(Wants::Secrets(wants)) => wants.as_slice(),
                Some(Wants::KeepAsTold(_)) => return Replacement::Keep,
                _ => &[],
            };
            match replacements(site, wants, settled, Reach::File(&own)) {
                Some(found) if found.is_empty() => Replacement::Keep,
                Some(found) => {
                    if site.place == Place::Value {
                        outcome.keys.push(String::from_utf8_lossy(site.key).into_owned());
                    }
                    outcome.note_owners(&found, settled);
                    let texts = texts(&found, settled);
                    is_unknown |= texts.is_none();
                    texts.map_or(Replacement::Keep, Replacement::Parts)
                }
                None => {
                    is_unknown = true;
                    Replacement::Keep
                }
            }
        })?;
        let remains = self.has_kept_coding(&outcome.bytes)
            || !self.has_kept() && !known::within(&outcome.bytes, settled, Reach::File(&own)).is_empty();
        if is_unknown || remains { Err(MaskError::Unfaithful) } else { Ok(outcome) }
    }

    /// The cluster whose own authority stands at `pointer`, where the broker speaks for it.
    fn gives_way(&self, pointer: &str, settled: &Settled) -> Option<OwnAuthority> {
        self.hosts.cluster_of(pointer).filter(|cluster| settled.is_target(&cluster.target))
    }

    /// What the broker alone trusts for some targets.
    pub(super) fn authorities<'s>(&'s self, settled: &'s Settled) -> impl Iterator<Item = OwnAuthority> + 's {
        self.hosts.clusters_of_their_own().filter(|cluster| settled.is_target(&cluster.target))
    }

    /// The secrets that this file itself holds.
    fn own_secrets(&self, settled: &Settled) -> Vec<SecretId> {
        let mut own = Vec::new();
        if !self.has_secrets() {
            return own;
        }
        let mut judged = self.judged.iter();
        self.visit(|site| {
            if let Some(Wants::Secrets(wants)) = judged.next() {
                own.extend(wants.iter().filter_map(|want| settled.find(want.value(site))));
            }
        });
        own
    }

    /// Whether a coding of a secret stands somewhere else, where nothing tells that it is one.
    fn has_kept_coding(&self, bytes: &[u8]) -> bool {
        let is_coded =
            |wants: &Wants| matches!(wants, Wants::Secrets(wants) if wants.iter().any(|want| want.coded.is_some()));
        if !self.judged.iter().any(is_coded) {
            return false;
        }
        let mut judged = self.judged.iter();
        let mut remains = false;
        self.visit(|site| {
            if let Some(Wants::Secrets(wants)) = judged.next() {
                let coded = wants.iter().filter(|want| want.coded.is_some());
                let text = |want: &Want| memchr::memmem::find(bytes, &site.text[want.range.clone()]).is_some();
                remains |= coded.into_iter().any(text);
            }
        });
        remains
    }

    pub(super) fn has_secrets(&self) -> bool {
        self.judged.iter().any(|wants| matches!(wants, Wants::Secrets(_)))
    }

    /// Whether the user wants some value of this file shown, known or not.
    fn has_kept(&self) -> bool {
        self.judged.iter().any(|wants| matches!(wants, Wants::KeepAsTold(_)))
    }
}

impl Outcome {
    fn note_owners(&mut self, found: &[Part], settled: &Settled) {
        for owner in found.iter().filter_map(|part| settled.owner(part.id)) {
            if !self.owners.contains(&owner) {
                self.owners.push(owner);
            }
        }
    }
}

/// Whether the name alone makes a value secret: any long value shows what the name says.
fn is_secret_name(site: &Site<'_>, policy: &Merged) -> bool {
    site.place == Place::Value
        && matches!(scrub::judge(site.key, b"any value that is long enough", policy), Judgement::Whole(_))
}

fn notation(format: Format, path: &Path) -> Notation {
    let structure = match format {
        Format::Dotenv => return Notation::Dotenv(dialect(path)),
        Format::Shell => return Notation::Dotenv(Dialect::Shell),
        Format::Json => return Notation::Json,
        Format::FishVariables => Structure::FishVariables,
        Format::GitConfig => Structure::GitConfig,
        Format::GitCredentials => Structure::GitCredentials,
        Format::Ini => Structure::Ini,
        Format::Netrc => Structure::Netrc,
        Format::Npmrc => Structure::Npmrc,
        Format::PamEnvironment => Structure::PamEnvironment,
        Format::Pem => Structure::Pem,
        Format::Pgpass => Structure::Pgpass,
        Format::Properties => Structure::Properties,
        Format::Token => Structure::Token,
        Format::Toml => Structure::Toml,
        Format::Xml => Structure::Xml,
        Format::Yaml => Structure::Yaml,
        Format::Yarnrc => Structure::Yarnrc,
    };
    Notation::Structured(structure)
}

/// Shells read `.envrc`, everything else reads to the end of a line.
fn dialect(path: &Path) -> Dialect {
    let name = path.file_name().map_or(&b""[..], OsStrExt::as_bytes);
    if name.starts_with(b".envrc") || name.ends_with(b".sh") { Dialect::Shell } else { Dialect::Dotenv }
}
