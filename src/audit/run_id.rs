//! The name of a run: sorts by time, safe as a file name, unique without a counter.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::AuditError;

/// `20261103-101530482-k7f3a9c2`: UTC date, time to the millisecond, 40 random bits in lower-case base32.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(String);

const RANDOM: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

impl RunId {
    /// Mints the id of a run that starts at `now`.
    pub fn mint(now: Timestamp) -> Result<Self, AuditError> {
        let mut bytes = [0_u8; 8];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AuditError::Random)?;
        let random: String = bytes.iter().map(|byte| char::from(RANDOM[usize::from(byte % 32)])).collect();
        let time = TimeZone::UTC.to_datetime(now);
        Ok(Self(format!(
            "{:04}{:02}{:02}-{:02}{:02}{:02}{:03}-{random}",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )))
    }

    /// When the run began, to the millisecond that the id tells.
    pub fn started(&self) -> Option<Timestamp> {
        let (date_time, _) = self.0.rsplit_once('-')?;
        let (whole, milliseconds) = date_time.split_at_checked(date_time.len().checked_sub(3)?)?;
        let time = jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", whole).ok()?;
        let time = TimeZone::UTC.to_timestamp(time).ok()?;
        time.checked_add(jiff::SignedDuration::from_millis(milliseconds.parse().ok()?)).ok()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunId {
    type Err = AuditError;

    fn from_str(text: &str) -> Result<Self, AuditError> {
        let all_digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = text.split('-').collect();
        match parts[..] {
            [date, time, random]
                if all_digits(date, 8)
                    && all_digits(time, 9)
                    && random.len() == 8
                    && random.bytes().all(|byte| RANDOM.contains(&byte)) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(AuditError::RunId { text: text.escape_debug().to_string() }),
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(time: &str) -> RunId {
        RunId::mint(time.parse().unwrap()).unwrap()
    }

    #[test]
    fn shows_its_time_and_reads_back() {
        let id = mint("2026-11-03T10:15:30.4829Z");
        assert!(id.as_str().starts_with("20261103-101530482-"), "{id}");
        assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
        assert_eq!(id.started(), Some("2026-11-03T10:15:30.482Z".parse().unwrap()));
    }

    #[test]
    fn sorts_by_time_and_never_repeats() {
        assert!(mint("2026-11-03T10:15:30.482Z") < mint("2026-11-03T10:15:30.483Z"));
        assert!(mint("2026-12-31T23:59:59.999Z") < mint("2027-01-01T00:00:00Z"));
        assert_ne!(mint("2026-11-03T10:15:30Z"), mint("2026-11-03T10:15:30Z"));
    }

    #[test]
    fn refuses_what_could_leave_the_directory() {
        for text in ["", "..", "../x", "20261103-101530482-k7f3a9c", "20261103-101530482-k7f3a9/2", "a-b-c", "x"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
