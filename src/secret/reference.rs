//! What stands in a file in the place of a value that a workspace keeps: `agentsecrets:STRIPE_KEY`.
//!
//! It is no secret. In a run it is read as the secret that it names, so that the child sees that one's placeholder.

use super::SecretName;

const PREFIX: &str = "agentsecrets:";

/// The text that stands for the secret `name`.
pub fn reference_to(name: &SecretName) -> String {
    format!("{PREFIX}{name}")
}

/// The secret that `value` stands for, if it is such a text.
pub fn referred(value: &[u8]) -> Option<SecretName> {
    let name = value.strip_prefix(PREFIX.as_bytes())?;
    SecretName::new(std::str::from_utf8(name).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_it_is_written() {
        let name = SecretName::new("STRIPE_KEY").unwrap();
        assert_eq!(referred(reference_to(&name).as_bytes()), Some(name));
        for other in ["", "agentsecrets", "agentsecrets:", "agentsecrets:a b", "Agentsecrets:A", "x agentsecrets:A"] {
            assert_eq!(referred(other.as_bytes()), None, "{other}");
        }
    }
}
