//! Values that are fetched when they are used.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::Settings;
use super::super::rulebook::tests::{OTHER_PLACEHOLDER, PLACEHOLDER};
use super::harness::World;
use crate::proxy::Notice;
use crate::secret::{Placeholder, Secret, SecretName, Table, WorkspaceName};
use crate::source::{Deferred, Key, Source, SourceError};

/// Gives what the test says, and counts how often it is asked.
#[derive(Debug, Default, Clone)]
struct Spoken(Arc<Mutex<(Option<&'static str>, usize)>>);

impl Spoken {
    fn says(&self, value: Option<&'static str>) {
        self.0.lock().unwrap().0 = value;
    }

    fn was_asked(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl Source for Spoken {
    fn title(&self) -> String {
        "a test".into()
    }

    fn fetch(&self, key: &Key) -> Result<Secret, SourceError> {
        let mut said = self.0.lock().unwrap();
        said.1 += 1;
        let missing = || SourceError::Missing { name: key.name.to_string(), place: self.title() };
        said.0.map(|value| Secret::new(value.into())).ok_or_else(missing)
    }
}

/// Both secrets of the ordinary settings, of which `STRIPE_KEY` is asked of `source`.
fn deferring(source: &Spoken, lifetime: Option<Duration>) -> impl FnOnce(&mut Settings) {
    let source = source.clone();
    move |settings| {
        let name = SecretName::new("STRIPE_KEY").unwrap();
        let mut table = Table::default();
        table.insert_deferred(name.clone(), Placeholder::from_minted(PLACEHOLDER.into()));
        let other = Placeholder::from_minted(OTHER_PLACEHOLDER.into());
        let value = Secret::new(b"ghp_the_other_real_value".to_vec());
        table.insert::<()>(SecretName::new("GIT_TOKEN").unwrap(), value, || Ok(other)).unwrap();
        settings.secrets = Arc::new(table);
        let key = Key { workspace: WorkspaceName::default(), name: name.clone() };
        settings.deferred.insert(name, Arc::new(Deferred::new(key, Arc::new(source), lifetime)));
    }
}

fn bearer() -> String {
    format!("Bearer {PLACEHOLDER}")
}

#[tokio::test]
async fn a_value_is_fetched_at_its_first_use_and_looked_for_from_then_on() {
    for http2 in [false, true] {
        let source = Spoken::default();
        source.says(Some("sk_live_fetched_1"));
        let world = World::start(http2, deferring(&source, None)).await;
        world.ask(http2, "/echo", "Bearer of-another-kind").await.unwrap();
        assert_eq!(source.was_asked(), 0, "a request without the placeholder needs no value");
        for _ in 0..3 {
            let answer = world.ask(http2, "/echo", &bearer()).await.unwrap();
            assert!(world.last_seen().contains("authorization: Bearer sk_live_fetched_1"), "{}", world.last_seen());
            assert!(answer.contains(PLACEHOLDER) && !answer.contains("sk_live_fetched_1"), "{answer}");
        }
        assert_eq!(source.was_asked(), 1);
        assert_eq!(world.stop().await.secrets, [SecretName::new("STRIPE_KEY").unwrap()]);
    }
}

#[tokio::test]
async fn a_changed_value_is_sent_with_the_next_request_and_the_old_one_stays_hidden() {
    let source = Spoken::default();
    source.says(Some("sk_live_before_it"));
    let world = World::start(false, deferring(&source, Some(Duration::ZERO))).await;
    world.ask(false, "/echo", &bearer()).await.unwrap();
    assert!(world.last_seen().contains("sk_live_before_it"));
    source.says(Some("sk_live_after_it_"));
    let answer = world.ask(false, "/echo?old=sk_live_before_it&new=sk_live_after_it_", &bearer()).await.unwrap();
    assert!(world.last_seen().contains("authorization: Bearer sk_live_after_it_"));
    assert!(!answer.contains("sk_live_before_it") && !answer.contains("sk_live_after_it_"), "{answer}");
    assert_eq!(source.was_asked(), 2);
    world.stop().await;
}

#[tokio::test]
async fn without_its_value_nothing_is_sent_and_only_the_user_hears_why() {
    let source = Spoken::default();
    let mut world = World::start(false, deferring(&source, None)).await;
    let answer = world.ask(false, "/echo", &bearer()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("value_not_fetched"), "{answer}");
    assert!(!answer.contains("has no value in a test") && world.last_seen().is_empty(), "{answer}");
    let Notice::FetchFailed { secret, reason } = world.notices.recv().await.unwrap() else { panic!("another notice") };
    assert_eq!((secret.as_str(), reason.as_str()), ("STRIPE_KEY", "`STRIPE_KEY` has no value in a test"));
    // It is asked again, and then there is one.
    source.says(Some("sk_live_fetched_1"));
    let answer = world.ask(false, "/echo", &bearer()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    world.stop().await;
}

#[tokio::test]
async fn a_request_that_may_not_use_the_value_does_not_fetch_it() {
    let source = Spoken::default();
    source.says(Some("sk_live_fetched_1"));
    let rules = |settings: &mut Settings| settings.bindings[0].rules = vec!["GET /allowed".parse().unwrap()];
    let defer = deferring(&source, None);
    let world = World::start(false, |settings| {
        defer(settings);
        rules(settings);
    })
    .await;
    let answer = world.ask(false, "/echo", &bearer()).await.unwrap();
    assert!(answer.contains("rule_not_matched"), "{answer}");
    assert_eq!(source.was_asked(), 0);
    world.stop().await;
}
