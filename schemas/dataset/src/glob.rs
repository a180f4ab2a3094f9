//! Matching names against globs.

/// Whether a text has a wildcard in it.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether the one name (no `/` in it) matches: `*` is any run of characters, `?` any one.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go back to: just after the last `*`, having it eat one character more. Linear per star.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                retry = Some((p, n));
                continue;
            }
            Some('?') => {}
            Some(c) if *c == name[n] => {}
            _ => {
                let Some((after_star, eaten)) = retry else { return false };
                (p, n) = (after_star, eaten + 1);
                retry = Some((p, n));
                continue;
            }
        }
        (p, n) = (p + 1, n + 1);
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether the folders and name match segment by segment; `**` is any number of folders.
pub(crate) fn matches_path(patterns: &[&str], names: &[&str]) -> bool {
    match patterns.split_first() {
        None => names.is_empty(),
        Some((&"**", rest)) => (0..=names.len()).any(|eaten| matches_path(rest, &names[eaten..])),
        Some((pattern, rest)) => names
            .split_first()
            .is_some_and(|(name, names)| matches(pattern, name) && matches_path(rest, names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_a_name_and_double_stars_cross_folders() {
        for (pattern, name, expected) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("a?c*", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
        assert!(matches_path(&["**", "*.csv"], &["a.csv"]));
        assert!(matches_path(&["x", "**", "*.csv"], &["x", "y", "z", "a.csv"]));
        assert!(!matches_path(&["*.csv"], &["x", "a.csv"]));
    }
}
