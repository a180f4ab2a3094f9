//! Identifiers that are safe as subject tokens, file names and keys.

use crate::limits::NAME_CHARS_MAX;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a {kind} name must not be empty")]
    Empty {
        /// What the name is for.
        kind: &'static str,
    },
    /// The name is too long.
    #[error("a {kind} name has at most {NAME_CHARS_MAX} characters, this one has {chars}")]
    TooLong {
        /// What the name is for.
        kind: &'static str,
        /// Its length.
        chars: usize,
    },
    /// The name has a character that cannot stand in a subject or a file name.
    #[error(
        "{kind} name {name:?} has {found:?} in it; use letters, digits, `_` and `-`, beginning with a letter or digit"
    )]
    Character {
        /// What the name is for.
        kind: &'static str,
        /// The name.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
}

/// Checks that `name` is 1 to 64 ASCII letters, digits, `_` or `-`, and begins with a letter or digit.
///
/// # Errors
/// [`NameError`], naming `kind` and what is wrong.
pub fn check(kind: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { kind });
    }
    let chars = name.chars().count();
    if chars > NAME_CHARS_MAX {
        return Err(NameError::TooLong { kind, chars });
    }
    let allowed = |(at, c): &(usize, char)| c.is_ascii_alphanumeric() || (*at > 0 && matches!(c, '_' | '-'));
    match name.char_indices().find(|c| !allowed(c)) {
        None => Ok(()),
        Some((_, found)) => Err(NameError::Character { kind, name: name.to_owned(), found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for bad in ["", "a/b", "..", "a b", "_a", "a.b", "a*", "a>", "é", &"x".repeat(300)] {
            assert!(check("model", bad).is_err(), "{bad:?}");
        }
        for good in ["a", "arrival_delay", "A-1", &"x".repeat(64)] {
            assert_eq!(check("model", good), Ok(()));
        }
    }
}
