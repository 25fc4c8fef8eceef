//! Changes policy files as their owner would by hand: comments, order and spelling of all else stay.
//!
//! Text in, text out; who calls writes it. **Invariant.** What comes out is a policy file: it is read again before it is
//! given away.

use std::path::Path;

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::layers::{PolicyError, PolicyText, verify};
use super::{Rule, SecretSource, ServiceId, StoreKind, Target};
use crate::secret::{SecretName, WorkspaceName};

/// What a command changes about one secret; what is `None` stays as it is.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SecretChange {
    /// The store that keeps its value.
    pub store: Option<StoreKind>,
    /// Its service.
    pub service: Option<ServiceId>,
    /// Its targets.
    pub hosts: Option<Vec<Target>>,
    /// How it is sent.
    pub inject: Option<Injection>,
    /// What it may be used for.
    pub rules: Option<Vec<Rule>>,
}

/// How a secret is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Injection {
    /// `Authorization: Bearer`.
    Bearer,
    /// `Authorization: Basic`.
    Basic,
    /// A header of this name.
    Header(String),
    /// Another place: `query`, `cookie`, `json` or `form`, and its name or pointer.
    Field(&'static str, String),
}

/// A policy file on its way to a new text.
pub struct Edit {
    path: std::path::PathBuf,
    document: DocumentMut,
}

impl Edit {
    /// Takes the text of the file `path`; a file that does not exist has none.
    pub fn new(path: &Path, text: &str) -> Result<Self, PolicyError> {
        let original = PolicyText { path: path.to_owned(), text: text.to_owned() };
        verify(&original)?;
        // What one parser of TOML took, the other takes as well; if not, the file stays as it is.
        let document = text.parse().map_err(|_| PolicyError::Uneditable { path: path.display().to_string() })?;
        Ok(Self { path: path.to_owned(), document })
    }

    /// The new text.
    pub fn finish(self) -> Result<String, PolicyError> {
        let text = self.document.to_string();
        verify(&PolicyText { path: self.path, text: text.clone() })?;
        Ok(text)
    }

    /// Names the active workspace.
    pub fn choose_workspace(&mut self, name: Option<&WorkspaceName>) {
        match name {
            Some(name) => self.document["workspace"] = toml_edit::value(name.as_str()),
            None => drop(self.document.remove("workspace")),
        }
    }

    /// Changes what is said of a secret, or says it for the first time.
    pub fn set_secret(&mut self, name: &SecretName, change: &SecretChange) -> Result<(), PolicyError> {
        let path = self.path.clone();
        let secrets = self.table("secrets")?;
        let secret = child(secrets, name.as_str(), false).ok_or_else(|| uneditable(&path))?;
        if let Some(store) = change.store {
            secret["source"] = toml_edit::value(SecretSource::Store(store).spelling());
        }
        if let Some(service) = &change.service {
            secret["service"] = toml_edit::value(service.0.as_str());
        }
        if let Some(hosts) = &change.hosts {
            secret["hosts"] = list(hosts);
        }
        match &change.inject {
            None => {}
            Some(Injection::Bearer) => secret["inject"] = toml_edit::value("bearer"),
            Some(Injection::Basic) => secret["inject"] = toml_edit::value("basic"),
            Some(Injection::Header(header)) => secret["inject"] = place("header", header),
            Some(Injection::Field(kind, name)) => secret["inject"] = place(kind, name),
        }
        if let Some(rules) = &change.rules {
            secret["rules"] = list(rules);
        }
        Ok(())
    }

    /// Forgets a secret; whether anything was said of it.
    pub fn remove_secret(&mut self, name: &SecretName) -> bool {
        let secrets = self.document.get_mut("secrets").and_then(Item::as_table_like_mut);
        secrets.is_some_and(|secrets| secrets.remove(name.as_str()).is_some())
    }

    /// Adds targets to the allowlist; those that it did not hold. The first one makes it one: without `default` every
    /// host of the web would stay open.
    pub fn allow(&mut self, targets: &[Target]) -> Result<Vec<Target>, PolicyError> {
        let path = self.path.clone();
        let egress = self.table("egress")?;
        let held = allowed(egress);
        let new: Vec<Target> = targets.iter().filter(|target| !held.contains(target)).cloned().collect();
        if egress.get("default").is_none() {
            egress["default"] = toml_edit::value("allowlist");
        }
        let allow = egress.entry("allow").or_insert(toml_edit::value(Array::new()));
        let allow = allow.as_array_mut().ok_or_else(|| uneditable(&path))?;
        for target in &new {
            allow.push(target.to_string());
        }
        Ok(new)
    }

    /// Takes targets off the allowlist; those that it held.
    pub fn disallow(&mut self, targets: &[Target]) -> Result<Vec<Target>, PolicyError> {
        let egress = self.table("egress")?;
        let held = allowed(egress);
        let gone: Vec<Target> = targets.iter().filter(|target| held.contains(target)).cloned().collect();
        if let Some(allow) = egress.get_mut("allow").and_then(Item::as_array_mut) {
            allow.retain(|value| !parsed(value).is_some_and(|target| gone.contains(&target)));
            if allow.is_empty() {
                // An empty list is refused by the reader: leaving it out says the same.
                egress.remove("allow");
            }
        }
        Ok(gone)
    }

    fn table(&mut self, name: &str) -> Result<&mut Table, PolicyError> {
        let path = self.path.clone();
        child(self.document.as_table_mut(), name, name == "secrets").ok_or_else(|| uneditable(&path))
    }
}

impl SecretSource {
    /// The word of a policy file for a source that one word says.
    fn spelling(&self) -> &'static str {
        match self {
            Self::Store(store) => store.as_str(),
            _ => "env",
        }
    }
}

/// The table `name` in `table`, made where it is missing; none where something else or an inline table stands there.
fn child<'a>(table: &'a mut Table, name: &str, implicit: bool) -> Option<&'a mut Table> {
    let item = table.entry(name).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(implicit);
        Item::Table(table)
    });
    item.as_table_mut()
}

fn uneditable(path: &Path) -> PolicyError {
    PolicyError::Uneditable { path: path.display().to_string() }
}

fn list<T: ToString>(items: &[T]) -> Item {
    toml_edit::value(items.iter().map(ToString::to_string).collect::<Array>())
}

fn allowed(egress: &Table) -> Vec<Target> {
    egress
        .get("allow")
        .and_then(Item::as_array)
        .map(|list| list.iter().filter_map(parsed).collect())
        .unwrap_or_default()
}

fn parsed(value: &Value) -> Option<Target> {
    Target::parse(value.as_str()?).ok()
}

fn place(kind: &str, name: &str) -> Item {
    toml_edit::value(InlineTable::from_iter([(kind, Value::from(name))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, change: impl FnOnce(&mut Edit)) -> String {
        let mut edit = Edit::new(Path::new("acme.toml"), text).unwrap();
        change(&mut edit);
        edit.finish().unwrap()
    }

    fn name(text: &str) -> SecretName {
        SecretName::new(text).unwrap()
    }

    fn targets(texts: &[&str]) -> Vec<Target> {
        texts.iter().map(|text| Target::parse(text).unwrap()).collect()
    }

    #[test]
    fn comments_and_order_stay() {
        let text = "# mine\n[egress] # why\nallow = [\n  \"a.example\", # first\n]\ndefault = 'web'\n\n[secrets.B]\nservice = \"stripe\" # paid\n";
        let changed = edit(text, |edit| {
            let change = SecretChange { store: Some(StoreKind::File), ..SecretChange::default() };
            edit.set_secret(&name("A"), &change).unwrap();
            edit.set_secret(&name("B"), &change).unwrap();
            edit.allow(&targets(&["b.example:8443"])).unwrap();
        });
        for kept in
            ["# mine\n[egress] # why\n", "\"a.example\"", "# first", "default = 'web'", "\"stripe\" # paid\nsource"]
        {
            assert!(changed.contains(kept), "{kept}: {changed}");
        }
        assert!(
            changed.contains("\"b.example:8443\"") && changed.ends_with("\n[secrets.A]\nsource = \"file\"\n"),
            "{changed}"
        );
    }

    #[test]
    fn a_secret_comes_changes_and_goes() {
        let change = SecretChange {
            store: Some(StoreKind::Keychain),
            service: None,
            hosts: Some(targets(&["api.example.com"])),
            inject: Some(Injection::Header("X-Api-Key".into())),
            rules: Some(vec!["GET /v1/**".parse().unwrap()]),
        };
        let text = edit("", |edit| edit.set_secret(&name("my.key"), &change).unwrap());
        assert_eq!(
            text,
            "[secrets.\"my.key\"]\nsource = \"keychain\"\nhosts = [\"api.example.com\"]\ninject = { header = \"X-Api-Key\" }\nrules = [\"GET /v1/**\"]\n"
        );
        let text = edit(&text, |edit| {
            let change = SecretChange { inject: Some(Injection::Bearer), ..SecretChange::default() };
            edit.set_secret(&name("my.key"), &change).unwrap();
            assert!(!edit.remove_secret(&name("other")));
        });
        assert!(text.contains("inject = \"bearer\"") && text.contains("hosts = [\"api.example.com\"]"), "{text}");
        assert_eq!(edit(&text, |edit| assert!(edit.remove_secret(&name("my.key")))), "");
    }

    #[test]
    fn the_first_allowed_host_makes_an_allowlist() {
        let text = edit("", |edit| {
            assert_eq!(edit.allow(&targets(&["b.example", "*.a.example"])).unwrap().len(), 2);
            assert_eq!(edit.allow(&targets(&["B.example"])).unwrap(), []);
        });
        assert_eq!(text, "[egress]\ndefault = \"allowlist\"\nallow = [\"b.example\", \"*.a.example\"]\n");
        let text = edit(&text, |edit| {
            assert_eq!(edit.disallow(&targets(&["b.example", "*.a.example", "c.example"])).unwrap().len(), 2);
        });
        assert_eq!(text, "[egress]\ndefault = \"allowlist\"\n");
    }

    #[test]
    fn the_active_workspace_stands_above_the_tables() {
        let name = WorkspaceName::new("acme").unwrap();
        let text = edit("[egress]\ndefault = \"web\"\n", |edit| edit.choose_workspace(Some(&name)));
        assert_eq!(text, "workspace = \"acme\"\n[egress]\ndefault = \"web\"\n");
        assert_eq!(edit(&text, |edit| edit.choose_workspace(None)), "[egress]\ndefault = \"web\"\n");
    }

    #[test]
    fn what_is_no_policy_is_neither_taken_nor_made() {
        assert!(Edit::new(Path::new("x"), "[egres]\n").is_err());
        assert!(Edit::new(Path::new("x"), "= 1\n").is_err());
        let mut inline = Edit::new(Path::new("x"), "secrets = { A = { service = \"stripe\" } }\n").unwrap();
        assert!(inline.set_secret(&name("B"), &SecretChange::default()).is_err());
    }
}
