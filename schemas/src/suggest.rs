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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_nonsense_lists_the_choices() {
        assert_eq!(hint("carier", ["carrier", "origin"]), "; did you mean `carrier`?");
        assert_eq!(hint("zzz", ["carrier", "origin"]), "; known: carrier, origin");
        assert_eq!(hint("zzz", []), "");
    }
}
