//! The values of a classifier's target.

use serde::{Deserialize, Serialize};

/// A class by the value that the target has for it. Classes are in this order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// True or false.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// Any other text.
    Text(String),
}

/// The labels that texts stand for: booleans or integers where all of them are written as such, else the texts.
/// `01` and `+1` are texts, as two of them could mean the same integer.
pub fn labels(texts: &[String]) -> Vec<Label> {
    let boolean = |text: &String| text.parse().ok().map(Label::Boolean);
    let integer = |text: &String| {
        let number = text.parse::<i64>().ok()?;
        (number.to_string() == *text).then_some(Label::Integer(number))
    };
    let all = |label: &dyn Fn(&String) -> Option<Label>| texts.iter().map(label).collect::<Option<Vec<_>>>();
    all(&boolean)
        .or_else(|| all(&integer))
        .unwrap_or_else(|| texts.iter().cloned().map(Label::Text).collect())
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Label::Boolean(value) => value.fmt(f),
            Label::Integer(value) => value.fmt(f),
            Label::Text(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_of_the_narrowest_kind_that_holds_all() {
        let of = |texts: &[&str]| labels(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["false", "true"]), [Label::Boolean(false), Label::Boolean(true)]);
        assert_eq!(of(&["-3", "12"]), [Label::Integer(-3), Label::Integer(12)]);
        for texts in [["1", "one"], ["1", "01"], ["1", "+1"], ["1", "1.5"], ["true", "1"]] {
            assert_eq!(of(&texts), texts.map(|text| Label::Text(text.into())));
        }
        assert!(Label::Integer(2) < Label::Integer(10));
    }

    #[test]
    fn labels_keep_their_kind_on_the_wire_and_in_json() {
        let all = vec![
            Label::Boolean(true),
            Label::Integer(-7),
            Label::Text("true".into()),
            Label::Text("1".into()),
        ];
        let bytes = rmp_serde::to_vec_named(&all).unwrap();
        assert_eq!(rmp_serde::from_slice::<Vec<Label>>(&bytes).unwrap(), all);
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"[true,-7,"true","1"]"#);
    }
}
