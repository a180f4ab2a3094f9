//! From patterns to scopes, by what the data holds.

use std::collections::{BTreeSet, HashSet};

use dataset::Counts;
use schemas::limits::CAMPAIGN_SCOPES_MAX;
use schemas::pattern::{Pattern, Values};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::window::Window;

use super::order::Order;

/// Values that a remark names; a pattern may list thousands.
const NAMED_MAX: usize = 10;

/// A scope to train.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The scope.
    pub scope: Scope,
    /// The window.
    pub window: Window,
    /// The dimensions it fixes, bit `i` for the spec's dimension `i`.
    pub mask: u32,
    /// Its value of the spec's first dimension, where it fixes that: scopes that agree share most of their data.
    pub family: Option<u32>,
    /// Its rows, nulls in features among them.
    pub rows: u64,
}

/// Why a pattern cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// No row of the data belongs to it.
    #[error("--scope {pattern:?} matches nothing in the data{hint}")]
    Nothing {
        /// The pattern's text.
        pattern: String,
        /// What may have been meant.
        hint: String,
    },
    /// It means more scopes than one campaign may have.
    #[error("the patterns mean more than {CAMPAIGN_SCOPES_MAX} scopes; split them into several campaigns")]
    TooMany,
}

/// What the data has to say before scopes can be planned.
#[derive(Debug)]
pub struct Counted {
    /// Rows by dimensions and [`Counted::windows`].
    pub counts: Counts,
    /// The windows that the order's patterns mean, each once.
    pub windows: Vec<Window>,
    /// The newest time, where a pattern counts back from it.
    pub newest: Option<i64>,
}

impl Counted {
    /// For each dimension of which a pattern lists values that the data lacks: which, and for one the nearest there is.
    fn absent<'a>(&'a self, spec: &'a ModelSpec, pattern: &'a Pattern) -> impl Iterator<Item = String> + 'a {
        pattern.terms.iter().filter_map(move |(place, values)| {
            let dimension = &spec.scope.dimensions[*place];
            let known = self.counts.values(dimension);
            let Values::Listed(listed) = values else { return None };
            let absent = listed.iter().filter(|value| known.binary_search(value).is_err());
            let absent: Vec<&str> = absent.map(String::as_str).collect();
            let named: Vec<String> =
                absent.iter().take(NAMED_MAX).map(|value| format!("`{value}`")).collect();
            let rest = match absent.len() {
                0 => return None,
                1 => schemas::suggest::hint(absent[0], known.iter().map(String::as_str)),
                many if many > NAMED_MAX => format!(" and {} more", many - NAMED_MAX),
                _ => String::new(),
            };
            Some(format!("`{dimension}` is never {}{rest}", named.join(", ")))
        })
    }
}

/// What is to be said of patterns that mean less than they list; `planned` is what they mean.
pub fn remarks(order: &Order, counted: &Counted, planned: &[Planned]) -> Vec<String> {
    let absent = order.patterns.iter().flat_map(|pattern| counted.absent(&order.spec, pattern));
    let with_rows: HashSet<Window> = planned.iter().map(|scope| scope.window).collect();
    let empty = counted.windows.iter().filter(|window| !with_rows.contains(window));
    let empty = empty.map(|window| format!("no row lies within time={window}"));
    absent.chain(empty).map(|remark| format!("--scope: {remark}")).collect()
}

/// The windows that `order` means, each once; `newest` is the data's newest time.
pub fn windows(order: &Order, newest: Option<i64>) -> Vec<Window> {
    let terms = order.patterns.iter().flat_map(|pattern| &pattern.windows);
    let resolved: BTreeSet<Window> = terms.filter_map(|term| term.resolve(newest)).collect();
    resolved.into_iter().collect()
}

/// The scopes that `order` means, in the data that was counted; `texts` are the patterns as they were written.
///
/// A scope is planned once however many patterns mean it. One without a row in its window is not planned.
///
/// # Errors
/// [`ExpandError`] when a pattern matches nothing, or they match too much.
pub fn expand(order: &Order, texts: &[String], counted: &Counted) -> Result<Vec<Planned>, ExpandError> {
    let mut plan = Plan { spec: &order.spec, counted, planned: Vec::new(), seen: HashSet::new() };
    for (pattern, text) in order.patterns.iter().zip(texts) {
        let windows: Vec<Window> =
            pattern.windows.iter().filter_map(|term| term.resolve(counted.newest)).collect();
        let own = pattern.level_mask();
        let found = plan.level(pattern, own, &windows)?;
        if found == 0 {
            let hint = counted.absent(&order.spec, pattern).next();
            let hint = hint.unwrap_or_else(|| "no row has these values together within the window".into());
            let hint = format!(": {hint}");
            return Err(ExpandError::Nothing { pattern: text.clone(), hint });
        }
        let above = order.spec.level_masks().into_iter().filter(|mask| mask & own == *mask && *mask != own);
        for mask in above.filter(|_| order.levels) {
            plan.level(pattern, mask, &windows)?;
        }
    }
    Ok(plan.planned)
}

struct Plan<'a> {
    spec: &'a ModelSpec,
    counted: &'a Counted,
    planned: Vec<Planned>,
    seen: HashSet<(Scope, Window)>,
}

impl Plan<'_> {
    /// Plans what `pattern` means when only the dimensions in `mask` are fixed; returns how many scopes that are.
    fn level(&mut self, pattern: &Pattern, mask: u32, windows: &[Window]) -> Result<usize, ExpandError> {
        let names = self.spec.level_names(mask);
        let counts = &self.counted.counts;
        let level = counts.level(&names);
        let allowed: Vec<Option<HashSet<u32>>> = pattern
            .terms
            .iter()
            .filter(|(place, _)| mask & (1 << place) != 0)
            .map(|(place, values)| self.codes(*place, values))
            .collect();
        let mut found = 0;
        for (key, rows) in level.iter() {
            let is_meant = |(code, allowed): (&u32, &Option<HashSet<u32>>)| {
                allowed.as_ref().is_none_or(|a| a.contains(code))
            };
            if !key.iter().zip(&allowed).all(is_meant) {
                continue;
            }
            let values =
                names.iter().zip(key).map(|(name, code)| counts.values(name)[*code as usize].as_str());
            let scope = Scope::new(names.iter().copied().zip(values));
            for window in windows {
                let place = self.counted.windows.iter().position(|known| known == window);
                let rows = place.map_or(0, |place| rows[place]);
                if rows == 0 {
                    continue;
                }
                found += 1;
                let family = (mask & 1 != 0).then(|| key[0]);
                self.add(Planned { scope: scope.clone(), window: *window, mask, family, rows })?;
            }
        }
        Ok(found)
    }

    /// The codes that a term takes; `None` for all of them.
    fn codes(&self, place: usize, values: &Values) -> Option<HashSet<u32>> {
        match values {
            Values::Each => None,
            Values::Listed(listed) => {
                let known = self.counted.counts.values(&self.spec.scope.dimensions[place]);
                let code = |value| u32::try_from(known.binary_search(value).ok()?).ok();
                Some(listed.iter().filter_map(code).collect())
            }
        }
    }

    fn add(&mut self, planned: Planned) -> Result<(), ExpandError> {
        if self.planned.len() >= CAMPAIGN_SCOPES_MAX {
            return Err(ExpandError::TooMany);
        }
        if self.seen.insert((planned.scope.clone(), planned.window)) {
            self.planned.push(planned);
        }
        Ok(())
    }
}
