//! Forests grown in parts, by threads or by jobs: the same trees as if grown at once.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::resume_unwind;

use schemas::classifier::Classifier;
use schemas::fit::Parameters;
use schemas::trees::{IN_SET, LEAF, Trees};

use super::forest::ForestParams;
use super::team::with_team;

/// Grows the trees that `params` asks for in as many stretches as it has threads; gives the stretches in their order.
/// On a single tree they work together.
pub(super) fn in_stretches<T: Send>(
    (params, rows): (&ForestParams, usize),
    grow: impl Fn(Range<u32>) -> T + Sync,
) -> Vec<T> {
    let numbers = params.numbers();
    if numbers.len() == 1 {
        return vec![with_team((params.threads, rows), || grow(numbers))];
    }
    let threads = params.threads.clamp(1, (numbers.len() as u32).max(1));
    let place = |at: u32| numbers.start + (u64::from(at) * numbers.len() as u64 / u64::from(threads)) as u32;
    let mut stretches = (0..threads).map(|at| place(at)..place(at + 1));
    let first = stretches.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = stretches.map(|stretch| scope.spawn(|| grow(stretch))).collect();
        let mut grown = vec![grow(first)];
        // A panic goes on in the thread that asked for the forest.
        grown.extend(
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic))),
        );
        grown
    })
}

/// One forest out of its parts, in the order of their trees' numbers. `None` when they are not parts of one forest.
pub fn join(parts: Vec<Parameters>) -> Option<Parameters> {
    let mut parts = parts.into_iter();
    let mut whole = parts.next()?;
    for part in parts {
        match (&mut whole, part) {
            (Parameters::Trees(whole), Parameters::Trees(part)) => append(whole, part, |value| value),
            (Parameters::Classifier(whole), Parameters::Classifier(part)) => append_classes(whole, part)?,
            _ => return None,
        }
    }
    Some(whole)
}

/// Adds the trees of `part`; `leaf` says what its leaves' values are in `whole`.
fn append(whole: &mut Trees, part: Trees, leaf: impl Fn(f64) -> f64) {
    let (offset, sets) = (whole.columns.len() as u32, whole.sets.len() as f64);
    whole.roots.extend(part.roots.iter().map(|root| root + offset));
    whole.rights.extend(part.rights.iter().map(|right| right + offset));
    let values = part.columns.iter().zip(&part.values);
    whole.values.extend(values.map(|(node, value)| match *node {
        LEAF => leaf(*value),
        node if node & IN_SET != 0 => value + sets,
        _ => *value,
    }));
    whole.columns.extend(part.columns);
    whole.sets.extend(part.sets);
    whole.covers.extend(part.covers);
}

/// As [`append`]; distinct shares of classes get places in the order in which they first occur, as in a forest grown at once.
fn append_classes(whole: &mut Classifier, part: Classifier) -> Option<()> {
    let (
        Classifier::Forest { trees, shares, classes },
        Classifier::Forest { trees: part, shares: own, classes: own_classes },
    ) = (whole, part)
    else {
        return None;
    };
    if *classes != own_classes || own_classes == 0 {
        return None;
    }
    let width = *classes as usize;
    let key = |shares: &[f64]| shares.iter().map(|share| share.to_bits()).collect::<Vec<u64>>();
    let mut known: HashMap<Vec<u64>, usize> =
        shares.chunks_exact(width).enumerate().map(|(place, shares)| (key(shares), place)).collect();
    let mut places = Vec::with_capacity(own.len() / width);
    for one in own.chunks_exact(width) {
        let next = known.len();
        let place = *known.entry(key(one)).or_insert(next);
        if place == next {
            shares.extend(one);
        }
        places.push(place as f64);
    }
    if part.columns.iter().zip(&part.values).any(|(c, v)| *c == LEAF && places.get(*v as usize).is_none()) {
        return None;
    }
    append(trees, part, |place| places[place as usize]);
    Some(())
}
