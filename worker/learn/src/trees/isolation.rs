//! Isolation forests: outliers are what few random cuts set apart.

use schemas::fit::Parameters;
use schemas::structure::Structure;
use schemas::trees::{LEAF, Trees};

use super::check::check;
use super::random::Random;
use crate::block::Block;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::Scratch;

/// How an isolation forest grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsolationParams {
    /// Number of trees.
    pub trees: u32,
    /// Rows that each tree sees.
    pub sample: u32,
    /// Decides all that is random.
    pub seed: u64,
}

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

impl Learner for IsolationParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        isolation(&rows.gathered(scratch).block, self).map(Parameters::Structure)
    }
}

/// The forest of Liu, Ting and Zhou, "Isolation Forest" (2008): random columns, random cuts between the sample's least and
/// largest value.
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`].
pub fn isolation(block: &Block, params: &IsolationParams) -> Result<Structure, LearnError> {
    let rows = block.rows();
    if rows == 0 {
        return Err(LearnError::NoRows);
    }
    check(block, &[0.0])?;
    let sample = (params.sample as usize).clamp(1, rows);
    let depth_max = (sample as f64).log2().ceil() as u32;
    let mut trees = Trees { scale: 1.0 / f64::from(params.trees), ..Trees::default() };
    let mut all: Vec<u32> = (0..rows as u32).collect();
    for number in 0..params.trees {
        let mut random = Random::new(params.seed, u64::from(number));
        // From the same order for each tree, so that it depends on its own number alone.
        all.sort_unstable();
        random.choose(&mut all, sample);
        let mut seen = all[..sample].to_vec();
        grow(block, &mut seen, depth_max, &mut random, &mut trees);
    }
    Ok(Structure::Isolation { trees, normal: mean_path(sample) })
}

/// The mean path of an unsuccessful search in a binary tree of `rows` rows.
fn mean_path(rows: usize) -> f64 {
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let rows = rows as f64;
            2.0 * ((rows - 1.0).ln() + EULER) - 2.0 * (rows - 1.0) / rows
        }
    }
}

/// Appends one tree in preorder.
fn grow(block: &Block, rows: &mut [u32], depth_max: u32, random: &mut Random, trees: &mut Trees) {
    trees.roots.push(trees.columns.len() as u32);
    // Stretches of rows still to be cut, with their depth, and whose right child they are.
    let mut todo = vec![(0..rows.len(), 0u32, None::<usize>)];
    while let Some((span, depth, parent)) = todo.pop() {
        let place = trees.columns.len();
        if let Some(parent) = parent {
            trees.rights[parent] = place as u32;
        }
        trees.rights.push(place as u32);
        let own = &mut rows[span.clone()];
        let cut = (depth < depth_max && own.len() > 1).then(|| draw(block, own, random)).flatten();
        match cut {
            Some((column, value)) => {
                let values = block.column(column);
                own.sort_by(|a, b| values[*a as usize].total_cmp(&values[*b as usize]));
                let middle = span.start + own.partition_point(|row| values[*row as usize] <= value);
                trees.columns.push(column as u32);
                trees.values.push(value);
                todo.push((middle..span.end, depth + 1, Some(place)));
                todo.push((span.start..middle, depth + 1, None));
            }
            None => {
                trees.columns.push(LEAF);
                trees.values.push(f64::from(depth) + mean_path(span.len()));
            }
        }
    }
}

/// A random cut of a random column among those that vary.
fn draw(block: &Block, rows: &[u32], random: &mut Random) -> Option<(usize, f64)> {
    let mut columns: Vec<usize> = (0..block.width()).collect();
    for at in 0..columns.len() {
        random.choose(&mut columns[at..], 1);
        let values = rows.iter().map(|row| block.column(columns[at])[*row as usize]);
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if least < most {
            let share = random.share();
            let value = least * (1.0 - share) + most * share;
            // Rounding must not leave one side without rows.
            return Some((columns[at], if value < most { value.max(least) } else { least }));
        }
    }
    None
}
