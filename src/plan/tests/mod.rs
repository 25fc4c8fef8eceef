//! Whole plans: from an environment and files to what the child sees.

mod agents;
mod credentials;
mod files;
mod listed;
mod live;
mod logins;
mod offers;
mod swept;
mod variables;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use base64::Engine;
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;
use crate::mask::{Content, Found, Realm};
use crate::policy::{self, Field, Form, Format, Judge, Render};

const STRIPE: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";
const ANTHROPIC: &str = "sk-ant-api03-R2D2abcdefghijklmnopqrstuvwxyz0123456789-_R2D2C3PO";
const GITHUB: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

/// What a plan is made of in these tests, and what came of it.
#[derive(Default)]
struct Case {
    sweep: Option<SweepWith<'static>>,
    environment: Vec<(OsString, OsString)>,
    arguments: Vec<OsString>,
    findings: Findings,
    policy: Merged,
    allow_readable: bool,
    offers: Vec<Offer>,
    named: Vec<PathBuf>,
}

impl Case {
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn found(mut self, path: &str, render: Option<Render>, content: Content) -> Self {
        self.findings.found.push(Found {
            path: path.into(),
            aliases: Vec::new(),
            unseen_links: 0,
            realm: Realm::Project,
            id: None,
            may_grant: false,
            render,
            content,
            reason: "a name like it".into(),
            origin: Origin::Builtin { file: "files.toml".into() },
        });
        self
    }

    fn dotenv(self, path: &str, text: &str) -> Self {
        let render = Render::default();
        self.found(path, Some(render), bytes(text))
    }

    fn shell(self, path: &str, text: &str) -> Self {
        self.found(path, Some(Render { format: Format::Shell, ..Render::default() }), bytes(text))
    }

    fn json(self, path: &str, id: &str, fields: &[(&str, Option<&str>, Judge, Form)], text: &str) -> Self {
        let field = |(at, credential, judge, form): &(&str, Option<&str>, Judge, Form)| Field {
            at: (*at).into(),
            credential: credential.map(Into::into),
            judge: *judge,
            form: *form,
            ..Field::default()
        };
        let fields = fields.iter().map(field).collect();
        let mut case =
            self.found(path, Some(Render { format: Format::Json, fields, ..Render::default() }), bytes(text));
        let found = case.findings.found.last_mut().unwrap();
        found.id = Some(id.into());
        found.realm = Realm::Home;
        case
    }

    fn try_plan(self) -> Result<Planned, PlanError> {
        build(
            Request {
                run: "run-1".into(),
                arguments: &self.arguments,
                agent: policy::agents().recognise(&self.arguments, &|_| None),
                environment: &self.environment,
                project: Path::new("/p"),
                project_is_bound: true,
                allow_readable: self.allow_readable,
                current_directory: Path::new("/p"),
                findings: self.findings,
                offers: self.offers,
                notes: Vec::new(),
                sweep: self.sweep.unwrap_or(&|_, _| Ok(SweepAnswer::Swept(crate::mask::Swept::default()))),
                writable: self.named.clone(),
                named: self.named,
                ports: Wanted::default(),
                made: Vec::new(),
                now: "2026-11-23T10:00:00Z".parse().unwrap(),
            },
            &self.policy,
        )
    }

    fn plan(self) -> Planned {
        self.try_plan().unwrap()
    }
}

fn bytes(text: &str) -> Content {
    Content::Bytes(Zeroizing::new(text.as_bytes().to_vec()))
}

impl Planned {
    fn value(&self, name: &str) -> String {
        let found = self.environment.iter().find(|(known, _)| known == name);
        found.map_or("(unset)".into(), |(_, value)| value.to_string_lossy().into_owned())
    }

    fn placeholder(&self, name: &str) -> String {
        let id = self.secrets.named(&SecretName::new(name).unwrap()).unwrap_or_else(|| panic!("no secret `{name}`"));
        self.secrets.get(id).unwrap().placeholder.to_string()
    }

    fn masked(&self, path: &str) -> String {
        match self.plan.masks.iter().find(|mask| mask.path == Path::new(path)).map(|mask| &mask.content) {
            Some(MaskContent::File { bytes }) => String::from_utf8_lossy(bytes).into_owned(),
            Some(MaskContent::EmptyFile) => "(empty)".into(),
            Some(MaskContent::EmptyDirectory) => "(no entries)".into(),
            Some(MaskContent::Unreadable) => "(unreadable)".into(),
            None => "(not masked)".into(),
        }
    }

    /// The masked file with the names of secrets in the place of their placeholders.
    fn named(&self, path: &str) -> String {
        self.secrets.iter().fold(self.masked(path), |text, (_, held)| {
            text.replace(held.placeholder.as_str(), &format!("<{}>", held.name))
        })
    }

    fn hosts(&self, name: &str) -> Vec<String> {
        let secret = self.plan.secrets.iter().find(|secret| secret.name.as_str() == name).unwrap();
        secret.hosts.iter().map(ToString::to_string).collect()
    }

    /// Everything that the child or a log could see of a plan.
    fn visible(&self) -> Vec<u8> {
        let mut visible = format!("{:?}{}", self.plan, serde_json::to_string(&self.plan).unwrap()).into_bytes();
        for (name, value) in &self.environment {
            visible.extend_from_slice(name.as_bytes());
            visible.extend_from_slice(value.as_bytes());
        }
        for mask in &self.plan.masks {
            if let MaskContent::File { bytes } = &mask.content {
                visible.extend_from_slice(bytes);
            }
        }
        visible
    }

    fn assert_hides(&self, value: &str) {
        assert!(memchr::memmem::find(&self.visible(), value.as_bytes()).is_none(), "`{value}` is visible");
    }
}

fn any_secret() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9+/=_.-]{10,38}[0-9][A-Z]"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_secret_is_visible_wherever_it_stands(
        secrets in proptest::collection::vec(any_secret(), 1..4),
        quote in prop_oneof![Just(""), Just("'"), Just("\"")],
        filler in "[ -!#-&(-~]{0,20}",
    ) {
        let mut case = Case::default();
        let mut text = String::new();
        for (index, secret) in secrets.iter().enumerate() {
            case = case.variable(&format!("TOKEN_{index}"), secret).variable(&format!("TEXT_{index}"), &format!("{filler}{secret}"));
            let lines = format!("# was {secret}\nSECRET_{index}={quote}{secret}{quote}\nCOPY={quote}x-{secret}{quote}\n");
            text.extend([lines.as_str(), filler.as_str(), "\n"]);
        }
        let planned = case.dotenv("/p/.env", &text).plan();
        for secret in &secrets {
            prop_assert!(memchr::memmem::find(&planned.visible(), secret.as_bytes()).is_none(), "{} in {:?}", secret, planned.masked("/p/.env"));
        }
        let names: BTreeMap<_, _> = planned.environment.iter().cloned().collect();
        prop_assert_eq!(names.len(), planned.environment.len());
    }

    #[test]
    fn a_dotenv_file_keeps_its_keys_and_lines_and_loses_short_secrets_too(
        lines in proptest::collection::vec((any_key(), "[a-z][0-9][A-Za-z0-9]{6,9}", 0..6_usize), 1..8),
    ) {
        let line = |(key, value, form): &(String, String, usize)| match form {
            0 => format!("{key}={value}\n"),
            1 => format!("export {key}='{value}' # {value}\r\n"),
            2 => format!("{key}=\"{value}\"\n"),
            3 => format!("# {key}={value}\n"),
            4 => format!("{key} = {value} # note\n"),
            _ => format!("{key}=\"first\nsecond {value}\nthird\"\n"),
        };
        let text: String = lines.iter().map(line).collect();
        let planned = Case::default().dotenv("/p/.env", &text).plan();
        let masked = planned.masked("/p/.env");
        prop_assert_eq!(masked.lines().count(), text.lines().count());
        prop_assert_eq!(keys(masked.as_bytes()), keys(text.as_bytes()));
        for (_, value, _) in &lines {
            prop_assert!(!masked.contains(value.as_str()), "{} in {}", value, masked);
        }
    }
}

fn any_key() -> impl Strategy<Value = String> {
    "Q[A-Z]{0,4}Q_(TOKEN|SECRET|PASSWORD|API_KEY)"
}

fn keys(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    crate::mask::render(crate::mask::Notation::Dotenv(crate::mask::Dialect::Dotenv), bytes, &mut |site| {
        keys.push(site.key.to_vec());
        crate::mask::Replacement::Keep
    })
    .unwrap();
    keys
}
