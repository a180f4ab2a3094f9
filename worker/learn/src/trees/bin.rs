//! What lies in one bin of a histogram, by what is learned.

/// What lies in one bin: statistics of its rows that add up.
pub(super) trait Bin: Copy + Default + Send + Sync {
    /// What one row adds.
    type One: Copy + Default + Send + Sync;

    /// Adds a row.
    fn put(&mut self, one: Self::One);
    /// Adds another bin's rows.
    fn add(&mut self, other: &Self);
    /// Takes another bin's rows away.
    fn subtract(&mut self, other: &Self);
    /// The weight of its rows; 0 means that there are none.
    fn weight(&self) -> f64;
    /// Where these rows stand among the categories of a node with `total`; `rows` more are thought to lie at 0.
    fn rank(&self, total: &Self, rows: f64) -> f64;
    /// The rows that these count for among those of a node with `total`.
    fn support(&self, _total: &Self) -> f64 {
        self.weight()
    }
    /// Whether a leaf of these rows has the least weight asked for.
    fn may_be_leaf(&self, weight_min: f64) -> bool {
        self.weight() >= weight_min
    }
    /// Whether no cut can be better than none.
    fn is_pure(&self) -> bool {
        false
    }
    /// How much a leaf of these rows, with a penalty of `l2` on its value, lowers the loss.
    fn score(&self, l2: f64) -> f64;
    /// The scores of both sides of a cut.
    fn scores(left: &Self, right: &Self, l2: f64) -> f64 {
        left.score(l2) + right.score(l2)
    }
}

/// Weighted targets: their mean is least wrong by Σ(y − ŷ)².
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) sum: f64,
    pub(super) weight: f64,
}

impl Bin for Sum {
    type One = Sum;

    fn put(&mut self, one: Sum) {
        self.sum += one.sum;
        self.weight += one.weight;
    }

    fn add(&mut self, other: &Sum) {
        self.put(*other);
    }

    fn subtract(&mut self, other: &Sum) {
        self.sum -= other.sum;
        self.weight -= other.weight;
    }

    fn weight(&self) -> f64 {
        self.weight
    }

    fn rank(&self, _: &Sum, rows: f64) -> f64 {
        self.sum / (self.weight + rows)
    }

    fn score(&self, l2: f64) -> f64 {
        self.sum * self.sum / (self.weight + l2)
    }

    /// With one division, which is what a look at a cut costs most.
    fn scores(left: &Sum, right: &Sum, l2: f64) -> f64 {
        let (a, b) = (left.weight + l2, right.weight + l2);
        let inverse = 1.0 / (a * b);
        left.sum * left.sum * (b * inverse) + right.sum * right.sum * (a * inverse)
    }
}

/// As [`Sum`], of rows that count 1 each: half as much to read for each of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EvenSum(Sum);

impl Bin for EvenSum {
    type One = f64;

    fn put(&mut self, one: f64) {
        self.0.put(Sum { sum: one, weight: 1.0 });
    }

    fn add(&mut self, other: &EvenSum) {
        self.0.add(&other.0);
    }

    fn subtract(&mut self, other: &EvenSum) {
        self.0.subtract(&other.0);
    }

    fn weight(&self) -> f64 {
        self.0.weight
    }

    fn rank(&self, total: &EvenSum, rows: f64) -> f64 {
        self.0.rank(&total.0, rows)
    }

    fn score(&self, l2: f64) -> f64 {
        self.0.score(l2)
    }

    fn scores(left: &EvenSum, right: &EvenSum, l2: f64) -> f64 {
        Sum::scores(&left.0, &right.0, l2)
    }
}

/// What boosting of numbers sums up: what the trees so far leave over of each row.
pub(super) trait Residual: Bin {
    /// A row of which so much is left over.
    fn one(residual: f64, weight: f64) -> Self::One;
    /// Takes away what another tree explains.
    fn explain(one: &mut Self::One, value: f64);
    /// What rows add up to.
    fn sum(&self) -> Sum;
}

impl Residual for Sum {
    fn one(residual: f64, weight: f64) -> Sum {
        Sum { sum: weight * residual, weight }
    }

    fn explain(one: &mut Sum, value: f64) {
        one.sum -= value * one.weight;
    }

    fn sum(&self) -> Sum {
        *self
    }
}

impl Residual for EvenSum {
    fn one(residual: f64, _: f64) -> f64 {
        residual
    }

    fn explain(one: &mut f64, value: f64) {
        *one -= value;
    }

    fn sum(&self) -> Sum {
        self.0
    }
}

/// A leaf's second derivatives add up to this, at least, so that its Newton step is one.
const HESSIAN_MIN: f64 = 1e-3;

/// First (negative) and second derivatives of a loss: a leaf's value is a step of Newton's method.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gradient {
    pub(super) sum: f64,
    pub(super) hessian: f64,
    pub(super) count: f64,
}

impl Bin for Gradient {
    type One = Gradient;

    fn put(&mut self, one: Gradient) {
        self.sum += one.sum;
        self.hessian += one.hessian;
        self.count += one.count;
    }

    fn add(&mut self, other: &Gradient) {
        self.put(*other);
    }

    fn subtract(&mut self, other: &Gradient) {
        self.sum -= other.sum;
        self.hessian -= other.hessian;
        self.count -= other.count;
    }

    fn weight(&self) -> f64 {
        self.count
    }

    fn rank(&self, _: &Gradient, rows: f64) -> f64 {
        self.sum / (self.hessian + rows)
    }

    fn support(&self, total: &Gradient) -> f64 {
        self.hessian * (total.count / total.hessian)
    }

    fn may_be_leaf(&self, weight_min: f64) -> bool {
        self.count >= weight_min && self.hessian >= HESSIAN_MIN
    }

    fn score(&self, l2: f64) -> f64 {
        self.sum * self.sum / (self.hessian + l2)
    }
}

/// Weights of up to `K` classes: Σ wₖ²/Σ wₖ is the weight less its Gini impurity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts<const K: usize>(pub(super) [f64; K]);

impl<const K: usize> Default for Counts<K> {
    fn default() -> Self {
        Counts([0.0; K])
    }
}

impl<const K: usize> Bin for Counts<K> {
    /// A class with a weight.
    type One = (u32, f64);

    fn put(&mut self, (class, weight): (u32, f64)) {
        self.0[class as usize] += weight;
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own += other);
    }

    fn subtract(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own -= other);
    }

    fn weight(&self) -> f64 {
        self.0.iter().sum()
    }

    /// By the share of the most common class.
    fn rank(&self, total: &Self, rows: f64) -> f64 {
        let counts = total.0.iter().enumerate();
        let class = counts.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(class, _)| class);
        self.0[class] / (self.weight() + rows)
    }

    fn is_pure(&self) -> bool {
        self.0.iter().filter(|weight| **weight > 0.0).count() <= 1
    }

    fn score(&self, _: f64) -> f64 {
        self.0.iter().map(|weight| weight * weight).sum::<f64>() / self.weight()
    }
}
