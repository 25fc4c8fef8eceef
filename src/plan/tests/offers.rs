//! What a workspace offers, and what it takes the place of.

use super::*;
use crate::policy::{Flags, Layers, PolicyText};
use crate::secret::{Secret, WorkspaceName};

impl Case {
    fn offer(self, name: &str, value: &str) -> Self {
        self.offered(name, Some(value))
    }

    fn offered(mut self, name: &str, value: Option<&str>) -> Self {
        self.offers.push(Offer {
            name: SecretName::new(name).unwrap(),
            value: value.map(|value| Secret::new(value.into())),
            place: "workspace `acme` (file)".into(),
            origin: Origin::File { path: "acme.toml".into(), line: 1 },
        });
        self
    }

    fn workspace(mut self, text: &str) -> Self {
        let file = PolicyText { path: "acme.toml".into(), text: text.into() };
        let layers = Layers::begin(None).unwrap().with_workspace(&WorkspaceName::new("acme").unwrap(), &file).unwrap();
        self.policy = layers.end(None, Flags::default()).unwrap();
        self
    }
}

#[test]
fn a_secret_is_seen_under_its_name_and_that_of_its_service() {
    let key = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789";
    let planned =
        Case::default().workspace("[secrets.OPENAI_KEY]\nservice = \"openai\"").offer("OPENAI_KEY", key).plan();
    planned.assert_hides(key);
    let placeholder = planned.placeholder("OPENAI_KEY");
    assert!(placeholder.starts_with("sk-proj-"), "{placeholder}");
    for name in ["OPENAI_KEY", "OPENAI_API_KEY", "CODEX_API_KEY"] {
        assert_eq!(planned.value(name), placeholder, "{name}");
    }
    assert!(planned.hosts("OPENAI_KEY").contains(&"api.openai.com".to_owned()));
    assert_eq!(planned.plan.workspace, Some(WorkspaceName::new("acme").unwrap()));
    assert_eq!(planned.bindings.len(), 1);
}

#[test]
fn the_value_of_the_workspace_stands_before_that_of_the_environment() {
    let planned =
        Case::default().variable("STRIPE_KEY", STRIPE).offer("STRIPE_KEY", "sk_live_of_the_workspace42").plan();
    planned.assert_hides(STRIPE);
    assert_eq!(planned.value("STRIPE_KEY"), planned.placeholder("STRIPE_KEY"));
    let id = planned.secrets.named(&SecretName::new("STRIPE_KEY").unwrap()).unwrap();
    assert_eq!(planned.secrets.get(id).unwrap().value().unwrap().expose(), b"sk_live_of_the_workspace42");
    // The other value is known, hidden, and goes nowhere.
    assert_eq!((planned.secrets.len(), planned.bindings.len()), (2, 1));
    let variables = planned.plan.variables.iter().filter(|variable| variable.name == "STRIPE_KEY");
    assert_eq!(variables.count(), 1);
}

#[test]
fn what_the_user_set_under_the_name_of_the_service_stays() {
    let own = "sk-proj-ownownownownownownownownown42";
    let planned = Case::default()
        .workspace("[secrets.OPENAI_KEY]\nservice = \"openai\"")
        .variable("OPENAI_API_KEY", own)
        .offer("OPENAI_KEY", "sk-proj-storedstoredstoredstored42")
        .plan();
    assert_eq!(planned.value("OPENAI_API_KEY"), planned.placeholder("OPENAI_API_KEY"));
    assert_eq!(planned.value("OPENAI_KEY"), planned.placeholder("OPENAI_KEY"));
}

#[test]
fn a_value_that_lies_in_a_file_or_variable_too_has_one_placeholder() {
    let planned = Case::default()
        .workspace("[secrets.BILLING]\nhosts = [\"billing.example\"]")
        .variable("OTHER", "prefix-the-billing-value-42-suffix")
        .dotenv("/p/.env", "BILLING=the-billing-value-42\n")
        .offer("BILLING", "the-billing-value-42")
        .plan();
    let placeholder = planned.placeholder("BILLING");
    assert_eq!(planned.value("OTHER"), format!("prefix-{placeholder}-suffix"));
    assert_eq!(planned.masked("/p/.env"), format!("BILLING={placeholder}\n"));
    assert_eq!(planned.secrets.len(), 1);
}

#[test]
fn a_value_that_is_fetched_later_has_the_placeholder_of_its_service() {
    let planned = Case::default()
        .workspace("[secrets.MINE]\nservice = \"openai\"\n[secrets.OTHER]\nhosts = [\"a.example\"]")
        .offered("MINE", None)
        .offered("OTHER", None)
        .offered("STRIPE_KEY", None)
        .variable("STRIPE_KEY", STRIPE)
        .plan();
    planned.assert_hides(STRIPE);
    for (name, prefix) in [("MINE", "sk-"), ("OTHER", "placeholder_"), ("STRIPE_KEY", "sk_")] {
        let placeholder = planned.placeholder(name);
        assert!(placeholder.starts_with(prefix), "{name}: {placeholder}");
        assert_eq!(planned.value(name), placeholder);
        let id = planned.secrets.named(&SecretName::new(name).unwrap()).unwrap();
        assert!(planned.secrets.get(id).unwrap().value().is_none(), "{name}");
    }
    assert_eq!(planned.value("OPENAI_API_KEY"), planned.placeholder("MINE"));
    assert_eq!(planned.bindings.len(), 3);
}
