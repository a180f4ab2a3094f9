//! Which algorithm a spec asks for, and running it.

use schemas::algorithm::{Algorithm, Params};
use schemas::fit::Parameters;
use schemas::task::Task;

use crate::classify::ClassMethod;
use crate::design::Design;
use crate::elastic_net::ElasticNetParams;
use crate::error::LearnError;
use crate::glm::LogLinearParams;
use crate::kmeans::KMeansParams;
use crate::learner::{Learner, Rows};
use crate::linear::{Mean, Ridge};
use crate::mixture::MixtureParams;
use crate::moments::{Moments, Scratch};
use crate::neighbours::NeighboursParams;
use crate::pca::PcaParams;
use crate::svm::{KernelSvmParams, SvrParams};
use crate::target::Target;
use crate::trees::{BoostingParams, ForestParams, IsolationParams, MaxFeatures};

/// An algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// See [`crate::mean`].
    Mean,
    /// [`crate::ridge`] without penalty.
    Linear,
    /// See [`crate::ridge`].
    Ridge(Ridge),
    /// See [`crate::elastic_net()`].
    ElasticNet(ElasticNetParams),
    /// See [`crate::log_linear`].
    LogLinear(LogLinearParams),
    /// See [`crate::forest`]: also a single tree, and extremely randomised ones.
    Forest(ForestParams),
    /// See [`crate::boosting`].
    Boosting(BoostingParams),
    /// See [`crate::svr`].
    Svr(SvrParams),
    /// The mean of the nearest training rows: see [`crate::neighbours()`].
    Neighbours(NeighboursParams),
    /// See [`crate::classify()`].
    Classify(ClassMethod),
    /// See [`crate::kmeans()`].
    KMeans(KMeansParams),
    /// See [`crate::mixture()`].
    Mixture(MixtureParams),
    /// See [`crate::pca()`].
    Pca(PcaParams),
    /// See [`crate::isolation`].
    Isolation(IsolationParams),
}

impl Method {
    /// The method a spec names for a task; parameters not given take their defaults. Both have passed [`Algorithm::check`]
    /// and [`Algorithm::check_task`].
    pub fn from_spec(task: Task, algorithm: Algorithm, params: &Params) -> Method {
        let param = |name| algorithm.param(params, name);
        let classifies = task == Task::Classification;
        match algorithm {
            Algorithm::Mean => Method::Mean,
            // These learn no rows but series: see [`crate::forecast`].
            Algorithm::Naive
            | Algorithm::SeasonalNaive
            | Algorithm::Drift
            | Algorithm::Theta
            | Algorithm::Ets
            | Algorithm::Mstl => Method::Mean,
            Algorithm::Linear => Method::Linear,
            Algorithm::Ridge => Method::Ridge(Ridge { alpha: param("alpha") }),
            Algorithm::Lasso | Algorithm::ElasticNet => Method::ElasticNet(ElasticNetParams {
                alpha: param("alpha"),
                l1_ratio: if algorithm == Algorithm::Lasso { 1.0 } else { param("l1_ratio") },
                tolerance: param("tolerance"),
                max_iterations: param("max_iterations") as u32,
            }),
            Algorithm::Poisson | Algorithm::Gamma | Algorithm::Tweedie => {
                let power = match algorithm {
                    Algorithm::Poisson => 1.0,
                    Algorithm::Gamma => 2.0,
                    _ => param("power"),
                };
                Method::LogLinear(LogLinearParams { power, alpha: param("alpha") })
            }
            Algorithm::Logistic => Method::Classify(ClassMethod::Logistic { c: param("c") }),
            Algorithm::NaiveBayes => {
                Method::Classify(ClassMethod::NaiveBayes { smoothing: param("smoothing") })
            }
            Algorithm::LinearSvm => Method::Classify(ClassMethod::LinearSvm { c: param("c") }),
            Algorithm::KernelSvm => {
                let params = KernelSvmParams { c: param("c"), gamma: param("gamma") };
                Method::Classify(ClassMethod::KernelSvm(params))
            }
            Algorithm::Svr => {
                Method::Svr(SvrParams { c: param("c"), gamma: param("gamma"), epsilon: param("epsilon") })
            }
            Algorithm::Knn if classifies => {
                Method::Classify(ClassMethod::Neighbours { k: param("k") as u32 })
            }
            Algorithm::Knn => Method::Neighbours(NeighboursParams { k: param("k") as u32 }),
            Algorithm::Tree | Algorithm::Forest | Algorithm::ExtraTrees => {
                let params = forest_params(task, algorithm, params);
                if classifies {
                    Method::Classify(ClassMethod::Forest(params))
                } else {
                    Method::Forest(params)
                }
            }
            Algorithm::Kmeans => Method::KMeans(kmeans_params(algorithm, params)),
            Algorithm::GaussianMixture => Method::Mixture(MixtureParams {
                start: KMeansParams {
                    max_iterations: 300,
                    tolerance: 1e-4,
                    ..kmeans_params(algorithm, params)
                },
                max_iterations: param("max_iterations") as u32,
                tolerance: param("tolerance"),
                regularisation: param("regularisation"),
                diagonal: param("diagonal") != 0.0,
            }),
            Algorithm::Pca => Method::Pca(PcaParams {
                components: param("components") as u32,
                standardise: param("standardise") != 0.0,
            }),
            Algorithm::IsolationForest => Method::Isolation(IsolationParams {
                trees: param("trees") as u32,
                sample: param("sample") as u32,
                seed: param("seed") as u64,
            }),
            Algorithm::Boosting => {
                let params = BoostingParams {
                    iterations: param("iterations") as u32,
                    learning_rate: param("learning_rate"),
                    max_leaves: param("max_leaves") as u32,
                    max_depth: param("max_depth") as u32,
                    min_leaf: param("min_leaf") as u32,
                    l2: param("l2"),
                    early_stopping_rounds: param("early_stopping_rounds") as u32,
                    validation: param("validation"),
                    threads: 1,
                };
                if classifies {
                    Method::Classify(ClassMethod::Boosting(params))
                } else {
                    Method::Boosting(params)
                }
            }
        }
    }

    /// The algorithm itself.
    fn learner(&self) -> &dyn Learner {
        match self {
            Method::Mean => &Mean,
            Method::Linear => &Ridge { alpha: 0.0 },
            Method::Ridge(learner) => learner,
            Method::ElasticNet(learner) => learner,
            Method::LogLinear(learner) => learner,
            Method::Forest(learner) => learner,
            Method::Boosting(learner) => learner,
            Method::Svr(learner) => learner,
            Method::Neighbours(learner) => learner,
            Method::Classify(learner) => learner,
            Method::KMeans(learner) => learner,
            Method::Mixture(learner) => learner,
            Method::Pca(learner) => learner,
            Method::Isolation(learner) => learner,
        }
    }

    /// The fit of `rows` that goes on from one of the first `older` of them: see [`Learner::go_on`].
    ///
    /// # Errors
    /// [`LearnError`].
    pub fn go_on<'t>(
        &self,
        design: &Design,
        target: impl Into<Target<'t>>,
        (rows, older, before): (&[u32], usize, &Parameters),
        scratch: &mut Scratch,
    ) -> Result<Option<Parameters>, LearnError> {
        let rows = Rows { design, target: target.into(), rows };
        self.learner().go_on(rows, (older, before), scratch)
    }

    /// The same method, which uses so many threads where it can.
    #[must_use]
    pub fn on_threads(mut self, threads: u32) -> Method {
        match &mut self {
            Method::Forest(params) | Method::Classify(ClassMethod::Forest(params)) => {
                params.threads = threads
            }
            Method::Boosting(params) | Method::Classify(ClassMethod::Boosting(params)) => {
                params.threads = threads
            }
            _ => {}
        }
        self
    }

    /// The same method, but only these trees of its forest; `None` where it is no forest.
    pub fn part(mut self, from: u32, to: u32) -> Option<Method> {
        self.forest_mut()?.part = Some((from, to));
        Some(self)
    }

    fn forest_mut(&mut self) -> Option<&mut ForestParams> {
        match self {
            Method::Forest(params) | Method::Classify(ClassMethod::Forest(params)) => Some(params),
            _ => None,
        }
    }

    /// The fit out of sufficient statistics; `None` for a method that needs the rows themselves.
    pub fn solve(&self, moments: &Moments) -> Option<Result<Parameters, LearnError>> {
        self.learner().solve(moments)
    }

    /// The fit of `rows` of a table, which must be complete. The classes of a
    /// classifier are the distinct targets of `rows`, ascending.
    ///
    /// # Errors
    /// [`LearnError`].
    ///
    /// # Panics
    /// When the table has no such row.
    pub fn fit<'t>(
        &self,
        design: &Design,
        target: impl Into<Target<'t>>,
        rows: &[u32],
        scratch: &mut Scratch,
    ) -> Result<Parameters, LearnError> {
        let rows = Rows { design, target: target.into(), rows };
        if rows.target.weights.is_some() && !self.learner().takes_weights() {
            return Err(LearnError::Weights);
        }
        self.learner().learn(rows, scratch)
    }
}

fn kmeans_params(algorithm: Algorithm, params: &Params) -> KMeansParams {
    let param = |name| algorithm.param(params, name);
    KMeansParams {
        clusters: param("clusters") as u32,
        starts: param("starts") as u32,
        max_iterations: param("max_iterations") as u32,
        tolerance: param("tolerance"),
        standardise: param("standardise") != 0.0,
        seed: param("seed") as u64,
    }
}

/// A classifying forest, like scikit-learn's, looks at the square root of the columns for each cut unless told otherwise.
fn forest_params(task: Task, algorithm: Algorithm, params: &Params) -> ForestParams {
    let param = |name| algorithm.param(params, name);
    let is_tree = algorithm == Algorithm::Tree;
    let by_default = !params.contains_key("max_features");
    ForestParams {
        trees: if is_tree { 1 } else { param("trees") as u32 },
        max_depth: param("max_depth") as u32,
        min_leaf: param("min_leaf") as u32,
        max_features: match (is_tree, by_default && task == Task::Classification) {
            (true, _) => MaxFeatures::Share(1.0),
            (false, true) => MaxFeatures::SquareRoot,
            (false, false) => MaxFeatures::Share(param("max_features")),
        },
        bootstrap: algorithm == Algorithm::Forest,
        random_cuts: algorithm == Algorithm::ExtraTrees,
        seed: param("seed") as u64,
        part: None,
        threads: 1,
    }
}
