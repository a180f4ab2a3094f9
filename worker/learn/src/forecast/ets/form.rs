//! The forms of exponential smoothing.

use super::super::seasons::Kind;

/// A form: how error, trend and seasons come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub(super) error: Kind,
    pub(super) trend: Trend,
    pub(super) seasons: Option<Kind>,
}

/// How the level moves by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trend {
    /// It does not.
    None,
    /// By a slope.
    Additive,
    /// By a slope that fades out.
    Damped,
}

impl Form {
    /// All forms that are tried, the simplest first.
    pub fn all() -> impl Iterator<Item = Form> {
        let errors = [Kind::Additive, Kind::Multiplicative];
        let seasons = [None, Some(Kind::Additive), Some(Kind::Multiplicative)];
        let trends = [Trend::None, Trend::Additive, Trend::Damped];
        let forms = errors.into_iter().flat_map(move |error| {
            seasons
                .into_iter()
                .flat_map(move |seasons| trends.into_iter().map(move |trend| Form { error, trend, seasons }))
        });
        forms.filter(|form| form.error == Kind::Multiplicative || form.seasons != Some(Kind::Multiplicative))
    }

    /// Whether it is made for values above 0 only.
    pub(super) fn needs_positive(&self) -> bool {
        self.error == Kind::Multiplicative
    }

    /// How many smoothing parameters it has.
    pub(super) fn smoothing(&self) -> usize {
        let trend = match self.trend {
            Trend::None => 0,
            Trend::Additive => 1,
            Trend::Damped => 2,
        };
        1 + trend + usize::from(self.seasons.is_some())
    }
}

/// `ETS(M,Ad,M)`.
impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = |kind: Kind| if kind == Kind::Additive { "A" } else { "M" };
        let trend = match self.trend {
            Trend::None => "N",
            Trend::Additive => "A",
            Trend::Damped => "Ad",
        };
        write!(f, "ETS({},{trend},{})", kind(self.error), self.seasons.map_or("N", kind))
    }
}
