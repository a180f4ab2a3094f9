//! The nearest right name for a wrong one.

/// The candidate most like `wrong`, when it is like enough to be worth proposing.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// ` (did you mean "x"?)`, or the whole list when it is short, or nothing.
pub fn hint<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(wrong, candidates.clone()) {
        return format!("; did you mean `{name}`?");
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    match all.len() {
        0 => String::new(),
        1..=20 => format!("; known: {}", all.join(", ")),
        n => format!("; {n} are known, the first: {}", all[..20].join(", ")),
    }
}

/// Whether `name` was very likely meant: up to a third of it, and at most two letters, are wrong. Names that differ by their
/// numbers only, such as `lag_1` and `lag_7`, are different names.
pub fn is_mistyped(wrong: &str, name: &str) -> bool {
    let (wrong, name) = (wrong.to_lowercase(), name.to_lowercase());
    let letters = |text: &str| -> String { text.chars().filter(|letter| !letter.is_ascii_digit()).collect() };
    let most = 2.min(name.chars().count() / 3);
    wrong == name || (letters(&wrong) != letters(&name) && strsim::osa_distance(&wrong, &name) <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_nonsense_lists_the_choices() {
        assert_eq!(hint("carier", ["carrier", "origin"]), "; did you mean `carrier`?");
        assert_eq!(hint("zzz", ["carrier", "origin"]), "; known: carrier, origin");
        assert_eq!(hint("zzz", []), "");
    }

    #[test]
    fn a_slip_is_no_other_name() {
        for (wrong, name) in
            [("carier", "carrier"), ("Carrier", "carrier"), ("dsetination", "destination"), ("hours", "hour")]
        {
            assert!(is_mistyped(wrong, name), "{wrong}");
        }
        let others = [
            ("lag_1", "lag_7"),
            ("x", "y"),
            ("id", "ad"),
            ("arr_delay", "dep_delay"),
            ("origin_name", "origin"),
            ("", "a"),
        ];
        for (other, name) in others {
            assert!(!is_mistyped(other, name), "{other}");
        }
    }
}
