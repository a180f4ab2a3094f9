//! k-means: clusters around centres.

use schemas::fit::Parameters;
use schemas::structure::Structure;

use crate::block::Block;
use crate::error::LearnError;
use crate::learner::{Learner, Rows};
use crate::moments::Scratch;
use crate::neighbours::squared_distance;
use crate::points::Points;
use crate::trees::random::Random;

/// How k-means goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KMeansParams {
    /// Number of clusters.
    pub clusters: u32,
    /// Tries from different starts, of which the best counts.
    pub starts: u32,
    /// Steps of one try, at most.
    pub max_iterations: u32,
    /// A step that moves the centres by less, as a share of the columns' mean variance, is the last.
    pub tolerance: f64,
    /// Whether columns count in units of their deviation.
    pub standardise: bool,
    /// Decides the starts.
    pub seed: u64,
}

impl Learner for KMeansParams {
    fn learn(&self, rows: Rows<'_>, scratch: &mut Scratch) -> Result<Parameters, LearnError> {
        kmeans(&rows.gathered(scratch).block, self).map(Parameters::Structure)
    }
}

/// The centres with the least sum of squared distances of each row to the nearest one: Lloyd (1982), with Hamerly's bounds
/// ("Making k-means even faster", 2010), from starts by k-means++ (Arthur and Vassilvitskii, 2007).
///
/// # Errors
/// [`LearnError::NoRows`]; [`LearnError::NotFinite`]; [`LearnError::FewRows`] for fewer rows than clusters.
pub fn kmeans(block: &Block, params: &KMeansParams) -> Result<Structure, LearnError> {
    let points = Points::of(block, params.standardise)?;
    let clustering = cluster(&points, block.rows(), params)?;
    Ok(Structure::Centres { scaling: points.scaling, centres: clustering.centres, clusters: params.clusters })
}

/// Centres, and the centre of each row.
pub(crate) struct Clustering {
    pub(crate) centres: Vec<f64>,
    pub(crate) of_row: Vec<usize>,
    inertia: f64,
}

pub(crate) fn cluster(points: &Points, rows: usize, params: &KMeansParams) -> Result<Clustering, LearnError> {
    let clusters = params.clusters as usize;
    if rows < clusters {
        return Err(LearnError::FewRows { rows, clusters });
    }
    let spread = points.values.iter().map(|value| value * value).sum::<f64>();
    // The values are centred: this is the mean of the columns' variances.
    let least_move = params.tolerance * spread / points.values.len().max(1) as f64;
    let tries = (0..params.starts.max(1)).map(|number| {
        let mut random = Random::new(params.seed, u64::from(number));
        let centres = start(points, rows, clusters, &mut random);
        Lloyd::new(points, rows, centres).run(params.max_iterations, least_move)
    });
    let best = tries.min_by(|a, b| a.inertia.total_cmp(&b.inertia)).ok_or(LearnError::NoRows)?;
    if best.inertia.is_finite() { Ok(best) } else { Err(LearnError::NotFinite) }
}

/// k-means++: each centre is drawn with probability proportional to the squared distance to those before it; of a few draws,
/// the one that lowers the sum most.
fn start(points: &Points, rows: usize, clusters: usize, random: &mut Random) -> Vec<f64> {
    let draws = 2 + (clusters as f64).ln() as usize;
    let mut centres = points.point(random.below(rows)).to_vec();
    let mut nearest: Vec<f64> =
        (0..rows).map(|row| squared_distance(points.point(row), &centres[..points.width])).collect();
    for _ in 1..clusters {
        let total: f64 = nearest.iter().sum();
        let mut best: Option<(f64, Vec<f64>, usize)> = None;
        for _ in 0..draws {
            let row = draw(&nearest, total, random);
            let lowered = |(other, near): (usize, &f64)| {
                near.min(squared_distance(points.point(other), points.point(row)))
            };
            let lowered: Vec<f64> = nearest.iter().enumerate().map(lowered).collect();
            let sum = lowered.iter().sum();
            if best.as_ref().is_none_or(|(least, ..)| sum < *least) {
                best = Some((sum, lowered, row));
            }
        }
        if let Some((_, lowered, row)) = best {
            centres.extend_from_slice(points.point(row));
            nearest = lowered;
        }
    }
    centres
}

fn draw(weights: &[f64], total: f64, random: &mut Random) -> usize {
    let mut left = random.share() * total;
    for (row, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return row;
        }
    }
    // All rows are at centres, or rounding left a rest.
    random.below(weights.len())
}

struct Lloyd<'a> {
    points: &'a Points,
    centres: Vec<f64>,
    of_row: Vec<usize>,
    /// Of each row, a bound above the distance to its centre, and one below that to any other.
    upper: Vec<f64>,
    lower: Vec<f64>,
}

impl<'a> Lloyd<'a> {
    fn new(points: &'a Points, rows: usize, centres: Vec<f64>) -> Lloyd<'a> {
        let (upper, lower) = (vec![f64::INFINITY; rows], vec![0.0; rows]);
        Lloyd { points, centres, of_row: vec![0; rows], upper, lower }
    }

    fn run(mut self, max_iterations: u32, least_move: f64) -> Clustering {
        for _ in 0..max_iterations {
            self.assign();
            let moves = self.step();
            let squares: f64 = moves.iter().map(|moved| moved * moved).sum();
            self.loosen(&moves);
            if squares <= least_move {
                break;
            }
        }
        self.assign();
        let near = |(row, own): (usize, &usize)| squared_distance(self.points.point(row), self.centre(*own));
        let inertia = self.of_row.iter().enumerate().map(near).sum();
        Clustering { centres: self.centres, of_row: self.of_row, inertia }
    }

    fn centre(&self, cluster: usize) -> &[f64] {
        &self.centres[cluster * self.points.width..][..self.points.width]
    }

    fn clusters(&self) -> usize {
        self.centres.len().checked_div(self.points.width).unwrap_or(1)
    }

    fn assign(&mut self) {
        for row in 0..self.of_row.len() {
            if self.upper[row] <= self.lower[row] {
                continue;
            }
            let point = self.points.point(row);
            self.upper[row] = squared_distance(point, self.centre(self.of_row[row])).sqrt();
            if self.upper[row] <= self.lower[row] {
                continue;
            }
            let (mut best, mut least, mut second) = (0, f64::INFINITY, f64::INFINITY);
            for cluster in 0..self.clusters() {
                let distance = squared_distance(point, self.centre(cluster));
                if distance < least {
                    (best, second, least) = (cluster, least, distance);
                } else {
                    second = second.min(distance);
                }
            }
            (self.of_row[row], self.upper[row], self.lower[row]) = (best, least.sqrt(), second.sqrt());
        }
    }

    /// Moves each centre to the mean of its rows, an empty one to the row farthest from its own; tells how far.
    fn step(&mut self) -> Vec<f64> {
        let (width, clusters) = (self.points.width, self.clusters());
        let mut sums = vec![0.0; self.centres.len()];
        let mut counts = vec![0usize; clusters];
        let mut moved_to: Vec<usize> = Vec::new();
        for (row, own) in self.of_row.iter().enumerate() {
            counts[*own] += 1;
            let sum = &mut sums[own * width..][..width];
            sum.iter_mut().zip(self.points.point(row)).for_each(|(sum, value)| *sum += value);
        }
        for cluster in 0..clusters {
            let sum = &mut sums[cluster * width..][..width];
            if counts[cluster] > 0 {
                sum.iter_mut().for_each(|sum| *sum /= counts[cluster] as f64);
                continue;
            }
            let others = (0..self.upper.len()).filter(|row| !moved_to.contains(row));
            if let Some(row) = others.max_by(|a, b| self.upper[*a].total_cmp(&self.upper[*b])) {
                sum.copy_from_slice(self.points.point(row));
                moved_to.push(row);
            }
        }
        // These rows are looked at again.
        moved_to.iter().for_each(|row| (self.upper[*row], self.lower[*row]) = (f64::INFINITY, 0.0));
        let pairs = self.centres.chunks_exact(width.max(1)).zip(sums.chunks_exact(width.max(1)));
        let moves = pairs.map(|(before, after)| squared_distance(before, after).sqrt()).collect();
        self.centres = sums;
        moves
    }

    fn loosen(&mut self, moves: &[f64]) {
        let most = moves.iter().copied().fold(0.0, f64::max);
        let pairs = self.upper.iter_mut().zip(&mut self.lower).zip(&self.of_row);
        for ((upper, lower), own) in pairs {
            *upper += moves.get(*own).copied().unwrap_or(0.0);
            *lower = (*lower - most).max(0.0);
        }
    }
}
