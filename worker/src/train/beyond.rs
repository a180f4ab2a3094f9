//! Columns that the spec does not name, but fits that answer now read: a gate compares with them.

use dataset::Request;
use schemas::fit::Input;
use schemas::spec::ModelSpec;

use super::prepared::role;

/// What `inputs` read beside what `spec` trains on: one for each column and role, without its categories. Nothing without a
/// gate.
pub(super) fn beyond<'a>(spec: &ModelSpec, inputs: impl Iterator<Item = &'a Input>) -> Vec<Input> {
    if spec.release.gate.is_none() {
        return Vec::new();
    }
    let own = Request::for_training(spec);
    let mut others: Vec<Input> =
        inputs.filter(|input| !own.wants(input.column(), role(input))).map(bare).collect();
    others.sort_by(|a, b| (a.column(), role(a)).cmp(&(b.column(), role(b))));
    others.dedup_by(|a, b| a.column() == b.column() && role(a) == role(b));
    others
}

/// What `spec` trains on, and the columns of these inputs.
pub(super) fn wide(spec: &ModelSpec, others: &[Input]) -> Request {
    others.iter().fold(Request::for_training(spec), |request, input| request.and(input.column(), role(input)))
}

fn bare(input: &Input) -> Input {
    match input {
        Input::Number(feature) => Input::Number(feature.clone()),
        Input::OneHot { column, .. } | Input::Category { column, .. } => {
            Input::OneHot { column: column.clone(), categories: Vec::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataset::Role;
    use schemas::feature::Feature;

    fn spec(more: &str) -> ModelSpec {
        let text = format!(
            "name = \"m\"\n[data]\nsource = \"x.csv\"\n[scope]\ndimensions = [\"shop\"]\n[learn]\ntarget = \"y\"\nfeatures = [\"x\"]\n{more}"
        );
        ModelSpec::parse(&text).unwrap()
    }

    fn number(feature: &str) -> Input {
        Input::Number(Feature::try_from(feature.to_owned()).unwrap())
    }

    fn category(column: &str) -> Input {
        Input::OneHot { column: column.into(), categories: vec!["a".into()] }
    }

    #[test]
    fn what_older_fits_read_is_read_too_where_a_gate_compares() {
        let inputs =
            [number("x"), number("z"), category("kind"), number("hour(at)"), number("z"), category("shop")];
        assert!(beyond(&spec(""), inputs.iter()).is_empty(), "nothing is compared");
        let spec = spec("[release]\ngate = \"better\"");
        let others = beyond(&spec, inputs.iter());
        let named: Vec<(&str, Role)> = others.iter().map(|input| (input.column(), role(input))).collect();
        assert_eq!(named, [("at", Role::Time), ("kind", Role::Text), ("z", Role::Number)]);
        let wide = wide(&spec, &others);
        assert!(named.iter().all(|(name, role)| wide.wants(name, *role)) && wide.wants("x", Role::Number));
    }
}
