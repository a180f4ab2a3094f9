//! The quoting that scope texts and patterns share, and the spellings of whole numbers.

use std::fmt::Write as _;

/// Characters with a meaning in the scope grammar.
const GRAMMAR: [char; 6] = [',', '=', '|', '*', '"', '\\'];

/// Digits up to which every whole number is a float of its own.
const WHOLE_DIGITS_MAX: usize = 15;

/// The other spelling of a whole number, as files and programs write it that hold it as a float: `7.0` of `7`, and `7` of
/// `7.0`. Nothing for any other text.
pub fn respelled(text: &str) -> Option<String> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_whole = (1..=WHOLE_DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    is_whole.then(|| if whole.len() == text.len() { format!("{text}.0") } else { whole.to_owned() })
}

/// Appends `value` to `out`, quoted when it contains grammar characters, control characters,
/// or spaces at an end, or is empty.
pub fn write_value(out: &mut String, value: &str) {
    let plain = !value.is_empty()
        && value.trim() == value
        && !value.contains(|c: char| GRAMMAR.contains(&c) || c.is_control());
    if plain {
        out.push_str(value);
        return;
    }
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A piece of a scope text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A key or value; `quoted` ones are never wildcards.
    Value {
        /// The text without quotes.
        text: String,
        /// Whether it stood in quotes.
        quoted: bool,
    },
    /// One of `,` `=` `|`.
    Mark(char),
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A quote is not closed.
    #[error("the quote opened at character {at} is not closed")]
    OpenQuote {
        /// Where it opens, counted from 1.
        at: usize,
    },
    /// A backslash is followed by nothing known.
    #[error("bad escape at character {at}: inside quotes write \\\" or \\\\ or \\u{{hex}}")]
    Escape {
        /// Where the backslash stands, counted from 1.
        at: usize,
    },
}

/// Splits a scope text into values and marks; white space around bare values falls away.
///
/// # Errors
/// [`TokenError`] for an open quote or a bad escape.
pub fn tokens(text: &str) -> Result<Vec<Token>, TokenError> {
    let mut found = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    let mut bare = String::new();
    let flush = |bare: &mut String, found: &mut Vec<Token>| {
        let value = bare.trim();
        if !value.is_empty() {
            found.push(Token::Value { text: value.to_owned(), quoted: false });
        }
        bare.clear();
    };
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | '=' | '|' => {
                flush(&mut bare, &mut found);
                found.push(Token::Mark(c));
            }
            '"' => {
                flush(&mut bare, &mut found);
                let text = quoted(&mut chars, at)?;
                found.push(Token::Value { text, quoted: true });
            }
            c => bare.push(c),
        }
    }
    flush(&mut bare, &mut found);
    Ok(found)
}

fn quoted(
    chars: &mut std::iter::Peekable<impl Iterator<Item = (usize, char)>>,
    open: usize,
) -> Result<String, TokenError> {
    let mut text = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok(text),
            '\\' => text.push(escaped(chars).ok_or(TokenError::Escape { at: at + 1 })?),
            c => text.push(c),
        }
    }
    Err(TokenError::OpenQuote { at: open + 1 })
}

fn escaped(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    match chars.next()?.1 {
        c @ ('"' | '\\') => Some(c),
        'u' => {
            if chars.next()?.1 != '{' {
                return None;
            }
            let hex: String = chars.take(9).map(|(_, c)| c).take_while(|c| *c != '}').collect();
            char::from_u32(u32::from_str_radix(&hex, 16).ok()?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_have_another_spelling_and_it_leads_back() {
        for (text, other) in [
            ("7", "7.0"),
            ("-12", "-12.0"),
            ("0", "0.0"),
            ("-0", "-0.0"),
            ("123456789012345", "123456789012345.0"),
        ] {
            assert_eq!(respelled(text).as_deref(), Some(other));
            assert_eq!(respelled(other).as_deref(), Some(text));
        }
        for text in
            ["", "-", ".0", "007", "7.00", "7.5", "7.", "+7", "a", "1e3", "1234567890123456", "7.0.0", "٧"]
        {
            assert_eq!(respelled(text), None, "{text}");
        }
    }
}
