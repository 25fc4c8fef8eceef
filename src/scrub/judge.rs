//! What is secret about a named value.

use super::text::{self, Stretch};
use super::{command, url, weak};
use crate::policy::{self, Entry, Merged, NameVerdict, Origin, ValueKind};

/// Why something is secret or not, for people, and whose credential it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The catalogue's credential, where name or form told.
    pub entry: Option<Entry<'static>>,
    /// The reason as the rest of a sentence: `has the form of a GitHub token`.
    pub reason: String,
    /// Where the rule stands.
    pub origin: Origin,
}

/// What is secret about a named value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing.
    Keep,
    /// Nothing, because the user says so; it is not searched for known values either.
    KeepAsTold(Cause),
    /// It holds no secret and gives power over what does: it is taken away.
    Remove(Cause),
    /// All of it.
    Whole(Cause),
    /// These stretches of it; never empty.
    Parts(Vec<Stretch>),
}

/// Judges `value` under `name`. Empty values are kept, since clients take them for absent, and so are switches:
/// `ENABLE_AUTH=true` holds no secret.
pub fn judge(name: &[u8], value: &[u8], policy: &Merged) -> Judgement {
    if is_switch(value.trim_ascii()) {
        return Judgement::Keep;
    }
    let name = String::from_utf8_lossy(name);
    told(&name, value, policy).unwrap_or_else(|| by_rules(&name, value))
}

fn is_switch(value: &[u8]) -> bool {
    const SWITCHES: [&[u8]; 9] = [b"", b"0", b"1", b"true", b"false", b"yes", b"no", b"on", b"off"];
    SWITCHES.iter().any(|switch| value.eq_ignore_ascii_case(switch))
}

/// What the user's flags and files say of the name.
fn told(name: &str, value: &[u8], policy: &Merged) -> Option<Judgement> {
    let whole = |reason: &str, origin: &Origin| {
        let entry = policy::catalogue().recognise(name, value);
        Judgement::Whole(Cause { entry, reason: reason.into(), origin: origin.clone() })
    };
    if let Some(told) = policy.scrub.iter().find(|told| told.value == name) {
        return Some(whole("you asked to hide it", &told.origin));
    }
    if let Some(told) = policy.keep.iter().find(|told| told.value == name) {
        let reason = "you asked to keep it".into();
        return Some(Judgement::KeepAsTold(Cause { entry: None, reason, origin: told.origin.clone() }));
    }
    policy.secret(name).map(|told| whole("your policy names it", &told.origin))
}

fn by_rules(name: &str, value: &[u8]) -> Judgement {
    let catalogue = policy::catalogue();
    let by_form = catalogue.recognise_value(value);
    if let Some(cause) = by_form.and_then(|kind| of_whole_form(&kind)) {
        return Judgement::Whole(cause);
    }
    if let Some(entry) = catalogue.variable(name) {
        let reason = format!("{} reads its credential from it", entry.service.title);
        return Judgement::Whole(Cause { reason, origin: entry.service.origin.clone(), entry: Some(entry) });
    }
    let judgement = policy::scrub_rules().classify_name(name);
    let cause = || Cause { entry: None, reason: format!("is secret by {}", judgement.rule), origin: by_scrub_rules() };
    let parts = match judgement.verdict {
        NameVerdict::Power => {
            let reason = format!("gives power over secrets, by {}", judgement.rule);
            return Judgement::Remove(Cause { reason, ..cause() });
        }
        NameVerdict::Weak | NameVerdict::Code if weak::is_plain(value, judgement.verdict == NameVerdict::Code) => {
            text::in_value(value)
        }
        NameVerdict::Secret | NameVerdict::Weak | NameVerdict::Code if is_path(value) || names_variable(value) => {
            Vec::new()
        }
        // A server that signs is no signature.
        NameVerdict::Weak | NameVerdict::Code if memchr::memmem::find(value, b"://").is_some() => text::in_value(value),
        NameVerdict::Secret | NameVerdict::Weak | NameVerdict::Code => match url::credentials(value) {
            url::Credentials::NotApart => return Judgement::Whole(cause()),
            url::Credentials::At(ranges) => {
                let stretches = ranges.into_iter().map(|range| Stretch { range, name: None, cause: cause() });
                text::merge(stretches.chain(text::in_value(value)).collect())
            }
        },
        NameVerdict::Keep | NameVerdict::Neutral => text::in_value(value),
    };
    let of_proxy = url::of_proxy(name, value).map(|range| {
        let reason = "is the password of a proxy".into();
        Stretch { range, name: None, cause: Cause { reason, ..cause() } }
    });
    let of_oracle = url::of_oracle(value).map(|range| {
        let reason = "is the password of a database".into();
        Stretch { range, name: None, cause: Cause { reason, ..cause() } }
    });
    let of_options = command::in_options(name, value);
    let parts = text::merge(parts.into_iter().chain(of_proxy).chain(of_oracle).chain(of_options).collect());
    if parts.is_empty() { Judgement::Keep } else { Judgement::Parts(parts) }
}

/// Whether a value is a template that stands for a variable and holds nothing else: `<%= ENV["KEY"] %>`, as Rails writes it,
/// `{{ env_var('KEY') }}`, as dbt, and `${env.KEY}`, as Maven does.
fn names_variable(value: &[u8]) -> bool {
    const FRAMES: [(&str, &str); 2] = [("<%=", "%>"), ("{{", "}}")];
    const READS: [(&str, &str); 3] = [("ENV[", "]"), ("ENV.fetch(", ")"), ("env_var(", ")")];
    let Ok(value) = std::str::from_utf8(value) else { return false };
    let within = |text: &str, (begin, end): &(&str, &str)| {
        text.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).map(|inner| inner.trim().to_owned())
    };
    let inner = FRAMES.iter().find_map(|frame| within(value.trim(), frame));
    let of_maven = within(value.trim(), &("${env.", "}"));
    let quoted = inner.and_then(|inner| READS.iter().find_map(|read| within(&inner, read)));
    let name = quoted.and_then(|text| [("\"", "\""), ("'", "'")].iter().find_map(|quotes| within(&text, quotes)));
    name.or(of_maven)
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// Whether a value is the path of a file, as in `TLS_KEY=/etc/ssl/server.key`: the file may be secret, its path is not.
/// A random value may begin with a slash, so what follows it must be a place where files are.
fn is_path(value: &[u8]) -> bool {
    const ROOTS: [&[u8]; 24] = [
        b"home",
        b"Users",
        b"root",
        b"etc",
        b"usr",
        b"var",
        b"opt",
        b"tmp",
        b"run",
        b"mnt",
        b"srv",
        b"data",
        b"app",
        b"secrets",
        b"workspace",
        b"workspaces",
        b"nix",
        b"media",
        b"dev",
        b"proc",
        b"private",
        b"builds",
        b"github",
        b"Library",
    ];
    let is_plain = value.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'+' | b'=' | b':' | b'@'));
    let mut segments = value.split(|byte| *byte == b'/');
    is_plain
        && match (segments.next(), segments.next()) {
            (Some(b"~" | b"." | b".."), Some(below)) => !below.is_empty(),
            (Some(b""), Some(root)) => ROOTS.contains(&root) && segments.next().is_some(),
            _ => false,
        }
}

/// The cause where a whole value has a form that is secret; a URL's password is only a part.
fn of_whole_form(kind: &ValueKind<'static>) -> Option<Cause> {
    (*kind != ValueKind::Password).then(|| of_form(kind))
}

/// The cause that a form is.
pub(super) fn of_form(kind: &ValueKind<'static>) -> Cause {
    let (entry, reason, origin) = match kind {
        ValueKind::Key(entry) => (
            Some(*entry),
            format!("has the form of a credential for {}", entry.service.title),
            entry.service.origin.clone(),
        ),
        ValueKind::Known(title) => (None, format!("has the form of a {title}"), by_scrub_rules()),
        ValueKind::Jwt => (None, "is a signed JSON web token".into(), by_scrub_rules()),
        ValueKind::PrivateKey => (None, "is a private key".into(), by_scrub_rules()),
        ValueKind::Password => (None, "is the password of a URL".into(), by_scrub_rules()),
    };
    Cause { entry, reason, origin }
}

/// The origin of the built-in name and value rules.
pub(super) fn by_scrub_rules() -> Origin {
    Origin::Builtin { file: "scrub.toml".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_random_values() {
        for path in ["/etc/ssl/server.key", "~/.ssh/id_rsa", "./keys/a", "../a", "/run/secrets/token"] {
            assert!(is_path(path.as_bytes()), "{path}");
        }
        for value in ["/Xk2/9aQ", "/etc", "etc/x", "~", "/etc/x:/etc/y", "/home/a+b=", "wJalrXUtnFEMI/K7MDENG/bPx", ""]
        {
            assert!(!is_path(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn a_value_is_judged_by_user_then_form_then_name() {
        let policy = Merged::default();
        let judged = |name: &str, value: &str| match judge(name.as_bytes(), value.as_bytes(), &policy) {
            Judgement::Keep => "keep".into(),
            Judgement::KeepAsTold(_) => "told".into(),
            Judgement::Remove(_) => "remove".into(),
            Judgement::Whole(cause) => cause.entry.map_or("whole".into(), |entry| entry.service.id.0.clone()),
            Judgement::Parts(parts) => {
                parts.iter().map(|part| &value[part.range.clone()]).collect::<Vec<_>>().join("|")
            }
        };
        for (name, value, expected) in [
            ("STRIPE_KEY", "anything-at-all", "stripe"),
            (
                "OPENAI_API_KEY",
                "sk-or-v1-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "openrouter",
            ),
            ("SERVER_TLS_KEY", "/etc/ssl/server.key", "keep"),
            ("MY_PASSWORD", "hunter2", "whole"),
            ("MY_PASSWORD", " ", "keep"),
            ("USE_PASSWORD", "TRUE", "keep"),
            ("CONNECTION", "Server=db;User=ann;Password=s3cret-s3cret;", "s3cret-s3cret"),
            ("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStorePassword=changeit", "keep"),
            ("MIRROR", "https://ann:pw@mirror.example/", "pw"),
            ("REDIS_URL", "redis://localhost:6379", "keep"),
            ("proxy", "ann:horse@proxy.example:3128", "horse"),
            ("https-proxy", "ann:ho@rse@proxy.example", "ho@rse"),
            ("ALL_PROXY", "ann@proxy.example:3128", "keep"),
            ("proxy", "proxy.example:3128", "keep"),
            ("proxy", "http://ann:horse@proxy.example:3128", "horse"),
            ("proxy", "git@host:a/b.git", "keep"),
            ("no_proxy", "localhost,.example", "keep"),
            ("RANDOM_SEED", "42", "keep"),
            ("WALLET_SEED", "9f86d081884c7d659a2feaa0c55ad015", "whole"),
            ("ENCRYPTION", "aes-256-gcm", "keep"),
            ("SIGNING_SERVICE", "https://sign.example/v1", "keep"),
            ("CARD_PIN", "4711", "whole"),
            ("LED_PIN", "13", "keep"),
            ("LOGIN_OTP", "123456", "whole"),
            ("DB_CONN_STR", "Server=db;Uid=ann", "whole"),
            ("OLD_PWD", "/home/ann/project", "keep"),
            ("CURL_OPTS", "-u ann:horse", "horse"),
            ("SPRING_DATASOURCE_URL", "jdbc:oracle:thin:scott/tiger@db.example:1521/app", "tiger"),
            ("SPRING_DATASOURCE_URL", "jdbc:oracle:thin:@//db.example:1521/app", "keep"),
            (
                "EXPORT",
                "https://b.s3.example/a?X-Amz-Date=20261130T000000Z&X-Amz-Signature=9f86d081884c7d65",
                "9f86d081884c7d65",
            ),
            (
                "EXPORT",
                "https://a.blob.example/c?sv=2024-11-04&sp=r&sig=Zm9vYmFyYmF6cXV4MTIzNA%3D%3D",
                "Zm9vYmFyYmF6cXV4MTIzNA%3D%3D",
            ),
            (
                "EXPORT",
                "https://c.example/a?Expires=1764547200&Signature=nitfHRCrtziwO2HwPfWw&Key-Pair-Id=K2JCJMDEHXQW5F",
                "nitfHRCrtziwO2HwPfWw",
            ),
            ("SLACK_WEBHOOK_URL", "https://hooks.example.com/services/T00/B00/XXXXXXXXXX", "whole"),
        ] {
            assert_eq!(judged(name, value), expected, "{name}={value}");
        }
    }
}
