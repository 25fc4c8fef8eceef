//! Which requests are asked for, and the pairing of a decision with its end.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::audit::{Event, Kind, Verdict};
use crate::cli::FilterOptions;

/// Which requests are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::command) struct Filter {
    /// The run's id, or an unambiguous beginning of it.
    pub(super) run: Option<String>,
    secret: Option<String>,
    host: Option<String>,
    since: Option<Timestamp>,
    status: Option<Status>,
    blocked: bool,
}

/// `404`, or `4xx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    One(u16),
    Hundred(u16),
}

impl Filter {
    /// Reads what the user wrote; the error says what is wrong with it.
    pub(in crate::command) fn new(options: FilterOptions, now: Timestamp, zone: &TimeZone) -> Result<Self, String> {
        let wrong = |flag: &str, form: &str| format!("{flag}: write {form}");
        let since = options.since.as_deref().map(|text| {
            since(text, now, zone).ok_or_else(|| wrong("--since", "30m, 2h, 7d, 2026-11-25 or 2026-11-25T10:00:00Z"))
        });
        let status = options.status.as_deref();
        let status = status.map(|text| status_of(text).ok_or_else(|| wrong("--status", "a status as 404, or 4xx")));
        Ok(Self {
            run: options.run,
            secret: options.secret,
            host: options.host.map(|host| host.to_ascii_lowercase()),
            since: since.transpose()?,
            status: status.transpose()?,
            blocked: options.blocked,
        })
    }

    /// Whether it takes every request of a run.
    pub(super) fn is_open(&self) -> bool {
        Self { run: None, ..self.clone() } == Self::default()
    }

    /// Whether it takes the request of `decision`, which was answered with `status`, if it was.
    pub(super) fn takes(&self, decision: &Event, status: Option<u16>) -> bool {
        let secret = self.secret.as_ref().is_none_or(|secret| decision.secrets.contains(secret));
        let host =
            self.host.as_ref().is_none_or(|wanted| decision.host.as_ref().is_some_and(|host| matches(wanted, host)));
        let blocked = !self.blocked || decision.decision == Some(Verdict::Refused);
        let since = self.since.is_none_or(|since| decision.time.parse::<Timestamp>().is_ok_and(|time| time >= since));
        let status = self.status.is_none_or(|wanted| match wanted {
            Status::One(wanted) => status == Some(wanted),
            Status::Hundred(wanted) => status.is_some_and(|status| status / 100 == wanted),
        });
        secret && host && blocked && since && status
    }
}

fn matches(wanted: &str, host: &str) -> bool {
    match wanted.strip_prefix('*') {
        Some(domain) => domain.starts_with('.') && host.len() > domain.len() && host.ends_with(domain),
        None => wanted == host,
    }
}

fn status_of(text: &str) -> Option<Status> {
    let hundred = text.strip_suffix("xx").or(text.strip_suffix("XX"));
    match hundred {
        Some(digit) => digit.parse().ok().filter(|digit| (1..=9).contains(digit)).map(Status::Hundred),
        None => text.parse().ok().filter(|status| (100..1000).contains(status)).map(Status::One),
    }
}

fn since(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let ago = text.strip_suffix(['s', 'm', 'h', 'd', 'w']).and_then(|number| number.parse::<i64>().ok());
    if let Some(number) = ago.filter(|number| *number >= 0) {
        let unit = match text.as_bytes().last()? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            _ => 604_800,
        };
        return now.checked_sub(jiff::SignedDuration::from_secs(number.checked_mul(unit)?)).ok();
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let date = text.parse::<Date>().ok()?;
    zone.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

/// Decisions that wait for their end: as many as there are requests at once.
#[derive(Default)]
pub(super) struct Pairs(HashMap<u64, Event>);

impl Pairs {
    /// Takes the next event of a log; at the end of a request its decision and status.
    pub(super) fn pair(&mut self, event: &Event) -> Option<(Event, Option<u16>)> {
        match (event.kind, event.request) {
            (Kind::Decision, _) => {
                self.0.insert(event.seq, event.clone());
                None
            }
            (Kind::End, Some(request)) => Some((self.0.remove(&request)?, event.status)),
            _ => None,
        }
    }

    /// What has not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = &Event> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(edit: impl FnOnce(&mut FilterOptions)) -> Result<Filter, String> {
        let mut options = FilterOptions::default();
        edit(&mut options);
        Filter::new(options, "2026-11-25T10:00:00Z".parse().unwrap(), &TimeZone::UTC)
    }

    #[test]
    fn times_are_read() {
        for (text, wanted) in [
            ("30m", "2026-11-25T09:30:00Z"),
            ("7d", "2026-11-18T10:00:00Z"),
            ("1w", "2026-11-18T10:00:00Z"),
            ("0s", "2026-11-25T10:00:00Z"),
            ("2026-11-24", "2026-11-24T00:00:00Z"),
            ("2026-11-24T01:02:03+01:00", "2026-11-24T00:02:03Z"),
        ] {
            let filter = filter(|options| options.since = Some(text.into())).unwrap();
            assert_eq!(filter.since, Some(wanted.parse().unwrap()), "{text}");
        }
        for text in ["", "m", "-1h", "5", "yesterday", "99999999999999999w", "2026-13-01"] {
            filter(|options| options.since = Some(text.into())).unwrap_err();
        }
        for text in ["", "40", "4x", "xx", "0xx", "1000", "-404"] {
            filter(|options| options.status = Some(text.into())).unwrap_err();
        }
    }

    type Edit = fn(&mut FilterOptions);

    #[test]
    fn takes_what_was_asked_for() {
        let event = Event {
            secrets: vec!["KEY".into()],
            host: Some("api.example".into()),
            time: "2026-11-25T09:45:00Z".into(),
            decision: Some(Verdict::Refused),
            ..Event::default()
        };
        let cases: [(Edit, bool); 11] = [
            (|_| (), true),
            (|options| options.secret = Some("KEY".into()), true),
            (|options| options.secret = Some("KE".into()), false),
            (|options| options.host = Some("API.example".into()), true),
            (|options| options.host = Some("*.example".into()), true),
            (|options| options.host = Some("*.api.example".into()), false),
            (|options| options.host = Some("*pi.example".into()), false),
            (|options| options.since = Some("30m".into()), true),
            (|options| options.since = Some("10m".into()), false),
            (|options| options.status = Some("4xx".into()), true),
            (|options| options.status = Some("404".into()), false),
        ];
        for (index, (edit, wanted)) in cases.into_iter().enumerate() {
            assert_eq!(filter(edit).unwrap().takes(&event, Some(403)), wanted, "{index}");
        }
        let blocked = filter(|options| options.blocked = true).unwrap();
        assert!(blocked.takes(&event, None));
        assert!(!blocked.takes(&Event { decision: Some(Verdict::Injected), ..event }, None));
        assert!(filter(|options| options.run = Some("2026".into())).unwrap().is_open() && !blocked.is_open());
    }
}
