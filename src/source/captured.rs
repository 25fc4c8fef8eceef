//! Values that the parent captured already: from its own environment, or from a file that it read.

use std::collections::BTreeMap;

use super::{Key, Source, SourceError, check};
use crate::secret::Secret;

/// Captured values by what they are called at their place.
#[derive(Debug)]
pub struct Captured {
    title: String,
    values: BTreeMap<String, Secret>,
    alias: Option<String>,
}

impl Captured {
    /// The values of `title` (`the environment`, `` `.env` ``).
    pub fn new(title: impl Into<String>, values: BTreeMap<String, Secret>) -> Self {
        Self { title: title.into(), values, alias: None }
    }

    /// Gives the value called `name` for every secret, however that is called.
    #[must_use]
    pub fn called(self, name: impl Into<String>) -> Self {
        Self { alias: Some(name.into()), ..self }
    }
}

impl Source for Captured {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn fetch(&self, key: &Key) -> Result<Secret, SourceError> {
        let name = self.alias.as_deref().unwrap_or(key.name.as_str());
        let missing = || SourceError::Missing { name: name.to_owned(), place: self.title.clone() };
        let value = Secret::new(self.values.get(name).ok_or_else(missing)?.expose().to_vec());
        check(&value)?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[test]
    fn conforms() {
        conformance::source(&|values| {
            let held = values.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(value.to_vec()))).collect();
            Box::new(Captured::new("the environment", held))
        });
    }

    #[test]
    fn another_name_at_the_place_of_origin() {
        let values = BTreeMap::from([("THERE".to_owned(), Secret::new(b"value".to_vec()))]);
        let captured = Captured::new("the environment", values).called("THERE");
        assert_eq!(captured.fetch(&conformance::key("w", "HERE")).unwrap().expose(), b"value");
    }
}
