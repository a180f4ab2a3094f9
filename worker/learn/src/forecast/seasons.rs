//! Classical decomposition: a trend by centred moving averages, and seasons that repeat.

/// How seasons go with the trend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Value = trend + season + rest.
    Additive,
    /// Value = trend · season · rest; for values above 0.
    Multiplicative,
}

impl Kind {
    /// The value without its season.
    pub(super) fn without(self, value: f64, season: f64) -> f64 {
        match self {
            Kind::Additive => value - season,
            Kind::Multiplicative => value / season,
        }
    }
}

/// One index for each point of a season, the first for `y[0]`: they sum to 0, or their mean is 1. `y` must have two
/// seasons at least.
pub(super) fn indices(y: &[f64], season: usize, kind: Kind) -> Vec<f64> {
    let half = season / 2;
    let mut sums = vec![0.0; season];
    let mut counts = vec![0.0; season];
    let mut window: f64 = y[..season].iter().sum();
    for at in half..y.len() - half {
        // An even season has no middle: half of each end belongs to the window.
        let start = at - half;
        let whole =
            if season.is_multiple_of(2) { window + 0.5 * (y[start + season] - y[start]) } else { window };
        sums[at % season] += kind.without(y[at], whole / season as f64);
        counts[at % season] += 1.0;
        if let Some(next) = y.get(start + season) {
            window += next - y[start];
        }
    }
    sums.iter_mut().zip(&counts).for_each(|(sum, count)| *sum /= count);
    let mean = sums.iter().sum::<f64>() / season as f64;
    sums.iter().map(|index| kind.without(*index, mean)).collect()
}

/// Whether the series has such a season: its autocorrelation at that lag is above what chance gives in 9 of 10 series
/// without one. Source: Assimakopoulos and Nikolopoulos, "The theta model" (2000).
pub(super) fn is_seasonal(y: &[f64], season: usize) -> bool {
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let products = |lag: usize| y.iter().zip(&y[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let variance = products(0);
    let below: f64 = (1..season).map(|lag| (products(lag) / variance).powi(2)).sum();
    let limit = super::normal::quantile(0.95) * ((1.0 + 2.0 * below) / y.len() as f64).sqrt();
    (products(season) / variance).abs() > limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pure_seasons_on_a_line_come_back() {
        for season in [3usize, 4, 7, 12] {
            let index = |at: usize| (at % season) as f64 - (season - 1) as f64 / 2.0;
            let y: Vec<f64> = (0..5 * season + 1).map(|at| 100.0 + 0.5 * at as f64 + index(at)).collect();
            let found = indices(&y, season, Kind::Additive);
            for (at, found) in found.iter().enumerate() {
                assert!((found - index(at)).abs() < 1e-9, "season {season}: {found} at {at}");
            }
            assert!(is_seasonal(
                &y.iter().zip(0..).map(|(y, at)| y - 0.5 * f64::from(at)).collect::<Vec<_>>(),
                season
            ));
        }
    }
}
