//! Feature expressions of a spec: a column, or a part of a time column.

use serde::{Deserialize, Serialize};

use crate::time::DatePart;

/// One entry of `features`: `distance` or `weekday(time_hour)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Feature {
    /// The column itself.
    Column(String),
    /// A part of a time column, in UTC.
    DatePart(DatePart, String),
}

impl Feature {
    /// The column the feature is made from.
    pub fn column(&self) -> &str {
        match self {
            Feature::Column(column) | Feature::DatePart(_, column) => column,
        }
    }

    /// Parses `column` or `part(column)`.
    ///
    /// # Errors
    /// A message when the part is unknown or the text is empty.
    pub fn parse(text: &str) -> Result<Feature, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("a feature must not be empty".into());
        }
        // `sepal length (cm)` is a column: a part's name is one word, right before its bracket.
        let is_word = |(part, _): &(&str, &str)| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
        };
        let call = text.strip_suffix(')').and_then(|call| call.split_once('(')).filter(is_word);
        let Some((part, column)) = call else {
            return Ok(Feature::Column(text.to_owned()));
        };
        let parts = DatePart::ALL;
        match parts.iter().find(|(_, name)| *name == part) {
            Some((part, _)) if !column.trim().is_empty() => {
                Ok(Feature::DatePart(*part, column.trim().to_owned()))
            }
            Some(_) => Err(format!("`{text}` names no time column")),
            None => {
                let hint = crate::suggest::hint(part, parts.iter().map(|(_, name)| *name));
                Err(format!("`{text}`: no date part `{part}`{hint}"))
            }
        }
    }
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Feature::Column(column) => f.write_str(column),
            Feature::DatePart(part, column) => write!(f, "{}({column})", part.name()),
        }
    }
}

impl TryFrom<String> for Feature {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Feature::parse(&text)
    }
}

impl From<Feature> for String {
    fn from(feature: Feature) -> String {
        feature.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_round_trip_and_unknown_parts_are_named() {
        for text in ["distance", "weekday(time_hour)", "day_of_year(t)", "sepal length (cm)", "Fläche(m²)"]
        {
            assert_eq!(Feature::parse(text).unwrap().to_string(), text);
        }
        assert!(Feature::parse("weakday(t)").unwrap_err().contains("did you mean `weekday`?"));
        assert!(Feature::parse("hour()").is_err());
        assert!(Feature::parse(" ").is_err());
    }
}
