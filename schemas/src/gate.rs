//! When a new fit may take the place of the one that answers.

use serde::{Deserialize, Serialize};

/// How a new fit has to score on its hold-out, against the fits that answer those rows now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Gate {
    /// It always may.
    #[default]
    None,
    /// Its error is less.
    Better,
    /// Its error is at most so many percent more.
    NotWorse(f64),
}

impl Gate {
    /// Whether every fit passes.
    pub fn is_none(&self) -> bool {
        *self == Gate::None
    }

    /// Whether a fit with the error `own` may take the place of one with the error `other`. An error that is not a number is worse
    /// than any that is.
    pub fn admits(self, own: f64, other: f64) -> bool {
        match self {
            Gate::None => true,
            _ if other.is_nan() => true,
            Gate::Better => own < other,
            Gate::NotWorse(percent) => own <= other * (1.0 + percent / 100.0),
        }
    }
}

impl TryFrom<String> for Gate {
    type Error = String;

    fn try_from(text: String) -> Result<Gate, String> {
        let percent = |text: &str| text.strip_suffix('%')?.trim().parse::<f64>().ok();
        match text.trim().split_once(':') {
            None if text == "none" => Ok(Gate::None),
            None if text == "better" => Ok(Gate::Better),
            Some(("not_worse", share))
                if percent(share).is_some_and(|share| (0.0..=1_000.0).contains(&share)) =>
            {
                Ok(Gate::NotWorse(percent(share).unwrap_or_default()))
            }
            _ => Err(format!("`{text}` is no gate; write \"none\", \"better\" or, say, \"not_worse:2%\"")),
        }
    }
}

impl From<Gate> for String {
    fn from(gate: Gate) -> String {
        match gate {
            Gate::None => "none".into(),
            Gate::Better => "better".into(),
            Gate::NotWorse(percent) => format!("not_worse:{percent}%"),
        }
    }
}

/// What a gate compared: errors on the same rows, by the metric of the task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Of the new fit.
    pub own: f64,
    /// Of the fit that the scope has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incumbent: Option<f64>,
    /// Of the fit that would answer if the scope had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<f64>,
}

impl Judgement {
    /// Whether the new fit passes `gate`.
    pub fn passes(&self, gate: Gate) -> bool {
        [self.incumbent, self.parent].into_iter().flatten().all(|other| gate.admits(self.own, other))
    }
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error {:.6} on the newest rows", self.own)?;
        for (name, error) in [("the fit that it has", self.incumbent), ("the level above", self.parent)] {
            if let Some(error) = error {
                write!(f, ", {name} {error:.6}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_read_and_judge() {
        for text in ["none", "better", "not_worse:2%", "not_worse:0.5%"] {
            assert_eq!(String::from(Gate::try_from(text.to_owned()).unwrap()), text);
        }
        for text in ["", "best", "not_worse", "not_worse:2", "not_worse:-1%", "not_worse:NaN%"] {
            assert!(Gate::try_from(text.to_owned()).unwrap_err().contains("is no gate"), "{text}");
        }
        let judged = Judgement { own: 10.1, incumbent: Some(10.0), parent: Some(11.0) };
        assert!(
            !judged.passes(Gate::Better) && judged.passes(Gate::NotWorse(2.0)) && judged.passes(Gate::None)
        );
        assert!(Judgement { own: 10.1, incumbent: None, parent: Some(11.0) }.passes(Gate::Better));
        assert!(!Judgement { own: 11.5, incumbent: None, parent: Some(11.0) }.passes(Gate::NotWorse(1.0)));
        assert!(!Gate::Better.admits(f64::NAN, 1.0) && Gate::Better.admits(1.0, f64::NAN));
    }
}
