//! A scope: which slice of a data set a fit is made from.

use serde::{Deserialize, Serialize};

use crate::text::{Token, TokenError, tokens, write_value};

/// A scope in canonical text: fixed dimensions in the spec's order, `carrier=UA,dest=IAH`; all rows is the empty text.
///
/// Two scopes are the same exactly when their texts are. The time window stands apart ([`crate::window::Window`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(String);

/// Why a text is no scope of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The text does not follow the grammar.
    #[error("scope {text:?} is not of the form `carrier=UA,origin=EWR`: {problem}")]
    Grammar {
        /// The text.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// The model has no such dimension.
    #[error("scope {text:?} names the dimension `{dimension}`, which the model does not have{hint}")]
    Dimension {
        /// The text.
        text: String,
        /// The unknown dimension.
        dimension: String,
        /// What may have been meant.
        hint: String,
    },
}

impl Scope {
    /// The scope that fixes the given dimensions, which must come in the spec's order.
    pub fn new<'a>(fixed: impl IntoIterator<Item = (&'a str, &'a str)>) -> Scope {
        let mut text = String::new();
        for (dimension, value) in fixed {
            if !text.is_empty() {
                text.push(',');
            }
            write_value(&mut text, dimension);
            text.push('=');
            write_value(&mut text, value);
        }
        Scope(text)
    }

    /// The scope of all rows.
    pub fn all() -> Scope {
        Scope::default()
    }

    /// The scope whose canonical text this is, as written by a [`Scope`] before.
    pub fn from_canonical(text: &str) -> Scope {
        Scope(text.to_owned())
    }

    /// Parses any text of the grammar and brings it into canonical form for a model with these `dimensions`.
    ///
    /// # Errors
    /// [`ScopeError`] when the text is not of the grammar, names a dimension twice, or one the model lacks.
    pub fn parse(text: &str, dimensions: &[String]) -> Result<Scope, ScopeError> {
        let mut fixed = pairs(text)?;
        let place = |name: &str| dimensions.iter().position(|d| d == name);
        if let Some((dimension, _)) = fixed.iter().find(|(name, _)| place(name).is_none()) {
            return Err(ScopeError::Dimension {
                text: text.to_owned(),
                dimension: dimension.clone(),
                hint: crate::suggest::hint(dimension, dimensions.iter().map(String::as_str)),
            });
        }
        fixed.sort_by_key(|(name, _)| place(name));
        if let Some(twice) = fixed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(grammar(text, format!("`{}` stands twice", twice[0].0)));
        }
        Ok(Scope::new(fixed.iter().map(|(d, v)| (d.as_str(), v.as_str()))))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The fixed dimensions and their values, in the spec's order.
    ///
    /// # Errors
    /// [`ScopeError::Grammar`] when the text came from a foreign message and is no scope.
    pub fn fixed(&self) -> Result<Vec<(String, String)>, ScopeError> {
        pairs(&self.0)
    }

    /// A stable 64-bit hash of the canonical text (XXH3), the same on every machine and in every version.
    pub fn stable_hash(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.0.as_bytes())
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<TokenError> for ScopeError {
    fn from(error: TokenError) -> Self {
        grammar("", error.to_string())
    }
}

fn grammar(text: &str, problem: impl Into<String>) -> ScopeError {
    ScopeError::Grammar { text: text.to_owned(), problem: problem.into() }
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, ScopeError> {
    let found = tokens(text).map_err(|error| grammar(text, error.to_string()))?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    found.split(|token| *token == Token::Mark(',')).map(|term| pair(text, term)).collect()
}

fn pair(text: &str, term: &[Token]) -> Result<(String, String), ScopeError> {
    let [Token::Value { text: key, .. }, Token::Mark('='), Token::Value { text: value, quoted }] = term
    else {
        return Err(grammar(text, "each term is one dimension, `=`, and one value"));
    };
    if !quoted && value.contains('*') {
        return Err(grammar(text, "a scope fixes one value; `*` belongs in patterns"));
    }
    Ok((key.clone(), value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dimensions() -> Vec<String> {
        ["carrier", "origin", "dest"].map(String::from).to_vec()
    }

    #[test]
    fn the_text_is_canonical_whatever_order_was_written() {
        let scope = Scope::parse(" dest=IAH , carrier=UA", &dimensions()).unwrap();
        assert_eq!(scope.as_str(), "carrier=UA,dest=IAH");
        assert_eq!(Scope::parse("", &dimensions()).unwrap(), Scope::all());
    }

    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(Scope::new([("carrier", "UA")]).stable_hash(), 0x898b_93ca_264f_7f39);
    }

    #[test]
    fn wrong_texts_say_what_is_wrong() {
        let error = |text| Scope::parse(text, &dimensions()).unwrap_err().to_string();
        assert!(error("carier=UA").contains("did you mean `carrier`?"));
        assert!(error("carrier=UA,carrier=DL").contains("stands twice"));
        assert!(error("carrier").contains("each term"));
        assert!(error("carrier=\"UA").contains("not closed"));
        assert!(error("carrier=*").contains("patterns"));
    }

    proptest! {
        #[test]
        fn any_value_survives_the_text(values in proptest::collection::vec(".*", 3)) {
            let dimensions = dimensions();
            let scope = Scope::new(dimensions.iter().map(String::as_str).zip(values.iter().map(String::as_str)));
            let back = scope.fixed().unwrap();
            prop_assert_eq!(&back.iter().map(|(_, v)| v.clone()).collect::<Vec<_>>(), &values);
            prop_assert_eq!(Scope::parse(scope.as_str(), &dimensions).unwrap(), scope);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = Scope::parse(&text, &dimensions());
        }
    }
}
