//! The `--scope` grammar: a pattern names many scopes at once.
//!
//! `carrier=UA,origin=EWR` one scope · `carrier=*` one per value in the data · `carrier=UA|DL` one per listed value ·
//! `time=2013-01..2013-07` a half-open window · `time=last:90d` the newest 90 days of the data · the empty text all rows.

use crate::limits::PATTERN_BYTES_MAX;
use crate::scope::Scope;
use crate::text::{Token, tokens};
use crate::time::{parse_duration_ms, parse_prefix};
use crate::window::Window;

/// The key of a window; no dimension may be called so.
pub const TIME_KEY: &str = "time";

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Dimension indices (into the spec's list, ascending) with the values each takes.
    pub terms: Vec<(usize, Values)>,
    /// The windows to train each scope on; never empty.
    pub windows: Vec<WindowTerm>,
}

/// Which values of a dimension a pattern takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// `*`: each value in the data.
    Each,
    /// `UA|DL`: those listed, without repeats.
    Listed(Vec<String>),
}

/// A window before the data's newest time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowTerm {
    /// A fixed window.
    Fixed(Window),
    /// `last:90d`: this many milliseconds, ending just after the newest row.
    Last {
        /// Length in milliseconds.
        span_ms: i64,
    },
}

impl WindowTerm {
    /// The window, where the data is not needed to know it.
    fn fixed(self) -> Option<Window> {
        match self {
            WindowTerm::Fixed(window) => Some(window),
            WindowTerm::Last { .. } => None,
        }
    }

    /// The window, given the newest time in the data; `None` when the data has no times at all.
    pub fn resolve(self, newest_ms: Option<i64>) -> Option<Window> {
        match self {
            WindowTerm::Fixed(window) => Some(window),
            WindowTerm::Last { span_ms } => {
                let to = newest_ms?.saturating_add(1);
                Some(Window { from_ms: Some(to.saturating_sub(span_ms)), to_ms: Some(to) })
            }
        }
    }
}

/// Why a text is no pattern for a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the scope pattern {text:?}: {problem}")]
pub struct PatternError {
    text: String,
    problem: String,
}

impl Pattern {
    /// Parses `text` for a model with these `dimensions`; `has_time` says whether it has a time column.
    ///
    /// # Errors
    /// [`PatternError`] says what in the text is wrong and what could stand there.
    pub fn parse(text: &str, dimensions: &[String], has_time: bool) -> Result<Pattern, PatternError> {
        let fail = |problem: String| PatternError { text: shorten(text), problem };
        if text.len() > PATTERN_BYTES_MAX {
            return Err(fail(format!("longer than {PATTERN_BYTES_MAX} bytes; give several patterns")));
        }
        let found = tokens(text).map_err(|error| fail(error.to_string()))?;
        let mut pattern = Pattern { terms: Vec::new(), windows: Vec::new() };
        if !found.is_empty() {
            for term in found.split(|token| *token == Token::Mark(',')) {
                pattern.add(term, dimensions, has_time).map_err(fail)?;
            }
        }
        pattern.terms.sort_by_key(|(place, _)| *place);
        if pattern.windows.is_empty() {
            pattern.windows.push(WindowTerm::Fixed(Window::ALL));
        }
        Ok(pattern)
    }

    fn add(&mut self, term: &[Token], dimensions: &[String], has_time: bool) -> Result<(), String> {
        let [Token::Value { text: key, quoted }, Token::Mark('='), values @ ..] = term else {
            return Err(
                "each term is `dimension=value`, `dimension=*`, `dimension=a|b` or `time=from..to`".into()
            );
        };
        let values = alternatives(key, values)?;
        if key == TIME_KEY && !quoted {
            return self.add_windows(values, has_time);
        }
        let known = dimensions.iter().map(String::as_str).chain([TIME_KEY]);
        let place = dimensions
            .iter()
            .position(|d| d == key)
            .ok_or_else(|| format!("no dimension `{key}`{}", crate::suggest::hint(key, known)))?;
        if self.terms.iter().any(|(p, _)| *p == place) {
            return Err(format!("`{key}` stands twice; list values as `{key}=a|b`"));
        }
        self.terms.push((place, dimension_values(key, values)?));
        Ok(())
    }

    fn add_windows(&mut self, values: Vec<(String, bool)>, has_time: bool) -> Result<(), String> {
        if !has_time {
            return Err("the model has no time column: add `time = \"…\"` under [data]".into());
        }
        if !self.windows.is_empty() {
            return Err("`time` stands twice; list windows as `time=a..b|b..c`".into());
        }
        for (text, _) in values {
            let window = window_term(&text)?;
            if !self.windows.contains(&window) {
                self.windows.push(window);
            }
        }
        Ok(())
    }

    /// The scopes and windows that the pattern, which was `text`, names without a look at the data; `max` at most.
    ///
    /// # Errors
    /// [`PatternError`] where the data has to tell, and where they are too many.
    pub fn exact(
        &self,
        text: &str,
        dimensions: &[String],
        max: usize,
    ) -> Result<Vec<(Scope, Window)>, PatternError> {
        let fail = |problem: String| PatternError { text: shorten(text), problem };
        let mut fixed: Vec<Vec<(&str, &str)>> = vec![Vec::new()];
        for (place, values) in &self.terms {
            let name = &dimensions[*place];
            let Values::Listed(values) = values else {
                let problem = format!(
                    "which values `{name}` has, only the source tells: list them, as in `{name}=a|b`"
                );
                return Err(fail(problem));
            };
            if fixed.len().saturating_mul(values.len()).saturating_mul(self.windows.len()) > max {
                return Err(fail(format!("more than {max} scopes")));
            }
            let longer =
                |known: &Vec<_>, value| known.iter().copied().chain([(name.as_str(), value)]).collect();
            fixed = fixed
                .iter()
                .flat_map(|known| values.iter().map(move |value| longer(known, value.as_str())))
                .collect();
        }
        let windows: Option<Vec<Window>> = self.windows.iter().map(|window| window.fixed()).collect();
        let windows = windows.ok_or_else(|| {
            fail(
                "what `last:` means, only the source tells: give a window, as in `time=2013-01..2013-07`"
                    .into(),
            )
        })?;
        let scopes = fixed.into_iter().map(Scope::new);
        Ok(scopes.flat_map(|scope| windows.iter().map(move |window| (scope.clone(), *window))).collect())
    }

    /// The set of fixed dimensions, bit `i` for dimension `i`.
    pub fn level_mask(&self) -> u32 {
        self.terms.iter().fold(0, |mask, (place, _)| mask | 1 << place)
    }
}

/// Splits `a|"b"` into values, each with whether it was quoted.
fn alternatives(key: &str, tokens: &[Token]) -> Result<Vec<(String, bool)>, String> {
    tokens
        .split(|token| *token == Token::Mark('|'))
        .map(|one| match one {
            [Token::Value { text, quoted }] => Ok((text.clone(), *quoted)),
            [] => Err(format!("`{key}` lacks a value (an empty one is written \"\")")),
            _ => Err(format!("a value of `{key}` contains grammar characters: quote it, `{key}=\"a=b\"`")),
        })
        .collect()
}

fn dimension_values(key: &str, values: Vec<(String, bool)>) -> Result<Values, String> {
    let wild = |(text, quoted): &(String, bool)| !quoted && text.contains('*');
    if values.len() == 1 && values[0] == ("*".to_owned(), false) {
        return Ok(Values::Each);
    }
    if values.iter().any(wild) {
        return Err(format!(
            "`*` stands alone for each value of `{key}`; a value with a star in it is quoted"
        ));
    }
    let mut listed: Vec<String> = Vec::with_capacity(values.len());
    let mut seen = std::collections::HashSet::new();
    for (text, _) in values {
        if seen.insert(text.clone()) {
            listed.push(text);
        }
    }
    Ok(Values::Listed(listed))
}

fn window_term(text: &str) -> Result<WindowTerm, String> {
    if let Some(span) = text.strip_prefix("last:") {
        let span_ms = parse_duration_ms(span).map_err(|error| error.to_string())?;
        return Ok(WindowTerm::Last { span_ms });
    }
    let end = |part: &str| match part.trim() {
        "" => Ok(None),
        part => parse_prefix(part).map(Some).map_err(|error| error.to_string()),
    };
    let window = match text.split_once("..") {
        None => {
            let (from, to) = parse_prefix(text).map_err(|error| error.to_string())?;
            Window { from_ms: Some(from), to_ms: Some(to) }
        }
        Some((from, to)) => {
            Window { from_ms: end(from)?.map(|span| span.0), to_ms: end(to)?.map(|span| span.0) }
        }
    };
    if window.is_empty() {
        return Err(format!(
            "the window {text} ends before it starts (windows are half-open: from..to holds from <= time < to)"
        ));
    }
    Ok(WindowTerm::Fixed(window))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Pattern, PatternError> {
        Pattern::parse(text, &["carrier", "origin", "dest"].map(String::from), true)
    }

    #[test]
    fn every_form_of_the_grammar_parses() {
        let pattern = parse("origin=*, carrier=UA|DL|UA, time=2013-01..2013-07").unwrap();
        assert_eq!(pattern.terms, [(0, Values::Listed(vec!["UA".into(), "DL".into()])), (1, Values::Each)]);
        let (from, to) = (parse_prefix("2013-01").unwrap().0, parse_prefix("2013-07").unwrap().0);
        let fixed = WindowTerm::Fixed(Window { from_ms: Some(from), to_ms: Some(to) });
        assert_eq!(pattern.windows, [fixed]);
        assert_eq!(parse("").unwrap().windows, [WindowTerm::Fixed(Window::ALL)]);
        assert_eq!(parse("time=last:90d").unwrap().windows, [WindowTerm::Last { span_ms: 7_776_000_000 }]);
        assert_eq!(parse("time=2013-01|2013-02").unwrap().windows.len(), 2);
        let star = parse("carrier=\"*\"").unwrap();
        assert_eq!(star.terms, [(0, Values::Listed(vec!["*".into()]))]);
    }

    #[test]
    fn what_a_pattern_names_by_itself_needs_no_data() {
        let dimensions = ["carrier", "origin", "dest"].map(String::from);
        let exact = |text: &str, max| parse(text).unwrap().exact(text, &dimensions, max);
        let named = exact("origin=EWR,carrier=UA|DL,time=2013-01|2013-02", 4).unwrap();
        let scopes: Vec<&str> = named.iter().map(|(scope, _)| scope.as_str()).collect();
        assert_eq!(scopes[..2], [scopes[0]; 2]);
        assert_eq!((scopes[0], scopes[2]), ("carrier=UA,origin=EWR", "carrier=DL,origin=EWR"));
        assert_ne!(named[0].1, named[1].1);
        assert_eq!(exact("", 1).unwrap(), [(Scope::all(), Window::ALL)]);
        for (text, expected) in [
            ("carrier=UA|DL,origin=EWR,time=2013-01|2013-02", "more than 3 scopes"),
            ("carrier=*", "only the source tells"),
            ("carrier=UA,time=last:90d", "only the source tells"),
        ] {
            let error = exact(text, 3).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_last_window_ends_just_after_the_newest_row() {
        let window = WindowTerm::Last { span_ms: 10 }.resolve(Some(100)).unwrap();
        assert!(window.contains(100) && window.contains(91) && !window.contains(90));
        assert_eq!(WindowTerm::Last { span_ms: 10 }.resolve(None), None);
    }

    #[test]
    fn wrong_patterns_say_what_is_wrong() {
        for (text, expected) in [
            ("carier=*", "did you mean `carrier`?"),
            ("carrier=UA,carrier=DL", "stands twice"),
            ("time=2013-07..2013-01", "ends before it starts"),
            ("time=2013-07..2013-07", "ends before it starts"),
            ("time=yesterday", "no date or date-time"),
            ("time=last:90", "no duration"),
            ("carrier=U*", "stands alone"),
            ("carrier=", "lacks a value"),
            ("carrier", "each term"),
            ("carrier=a=b", "quote it"),
            ("carrier=\"a", "not closed"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let timeless = Pattern::parse("time=2013", &[], false).unwrap_err().to_string();
        assert!(timeless.contains("no time column"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn no_window_text_makes_the_parser_panic(text in "time=[0-9T:.Zlast|-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
