//! The reference data: all flights of 2013, and what scikit-learn makes of them.

use crate::program::root;

/// The spec of the model `arrival_delay`, its source as an absolute path.
pub fn spec() -> String {
    let text = std::fs::read_to_string(root().join("tests/data/arrival_delay.toml")).expect("the spec");
    let data = root().join("tests/data");
    text.replace("\"tests/data/", &format!("\"{}/", data.display()))
}

/// The pattern of the reference campaign.
pub const SCOPES: &str = "carrier=*,origin=*,dest=*";

/// What scikit-learn says of one scope.
#[derive(Debug)]
pub struct Reference {
    /// Canonical text.
    pub scope: String,
    /// Rows, complete rows.
    pub rows: (u64, u64),
    /// `trained` or `too_few_rows`.
    pub outcome: String,
    /// For trained ones: training and held-out rows, RMSE, intercept.
    pub fit: Option<(u64, u64, f64, f64)>,
    /// For trained ones: coefficients by feature.
    pub coefficients: Vec<(&'static str, f64)>,
}

const FEATURES: [&str; 6] = ["dep_delay", "distance", "hour", "month", "day", "weekday(time_hour)"];

/// All 491 scopes.
pub fn reference() -> Vec<Reference> {
    let text = std::fs::read_to_string(root().join("tests/data/flights_ridge.csv")).expect("the reference");
    text.lines().skip(1).map(parse).collect()
}

fn parse(line: &str) -> Reference {
    let (scope, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once("\",").expect("a closing quote"),
        None => line.split_once(',').expect("a comma"),
    };
    let cells: Vec<&str> = rest.split(',').collect();
    let count = |at: usize| cells[at].parse::<u64>().expect("a count");
    let number = |at: usize| cells[at].parse::<f64>().expect("a number");
    let trained = cells[2] == "trained";
    Reference {
        scope: scope.to_owned(),
        rows: (count(0), count(1)),
        outcome: cells[2].to_owned(),
        fit: trained.then(|| (count(3), count(4), number(5), number(6))),
        coefficients: match trained {
            true => FEATURES.iter().zip(7..).map(|(name, at)| (*name, number(at))).collect(),
            false => Vec::new(),
        },
    }
}

/// Whether two numbers agree to 1e-8 relative; absolute where the expected one is below 1e-8.
pub fn agree(found: f64, expected: f64) -> bool {
    let scale = if expected.abs() < 1e-8 { 1.0 } else { expected.abs() };
    (found - expected).abs() <= 1e-8 * scale
}
