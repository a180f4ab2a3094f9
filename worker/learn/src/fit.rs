//! Which algorithm a spec asks for, and running it.

use schemas::algorithm::{Algorithm, Params};
use schemas::fit::Parameters;
use schemas::task::Task;

use crate::classify::{ClassMethod, weighted_classify};

use crate::design::Design;
use crate::elastic_net::{ElasticNetParams, elastic_net};
use crate::error::LearnError;
use crate::glm::{LogLinearParams, weighted_log_linear};
use crate::kmeans::{KMeansParams, kmeans};
use crate::linear::{mean, ridge};
use crate::mixture::{MixtureParams, mixture};
use crate::moments::{Moments, Scratch};
use crate::neighbours::neighbours;
use crate::pca::pca;
use crate::svm::{KernelSvmParams, SvrParams, svr};
use crate::target::Target;
use crate::trees::{
    BoostingParams, ForestParams, IsolationParams, MaxFeatures, boosting_on, isolation, weighted_boosting,
    weighted_forest,
};

/// An algorithm with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// See [`mean`].
    Mean,
    /// [`ridge`] without penalty.
    Linear,
    /// See [`ridge`].
    Ridge {
        /// Strength of the penalty.
        alpha: f64,
    },
    /// See [`elastic_net`].
    ElasticNet(ElasticNetParams),
    /// See [`crate::log_linear`].
    LogLinear(LogLinearParams),
    /// See [`crate::forest`]: also a single tree, and extremely randomised ones.
    Forest(ForestParams),
    /// See [`crate::boosting`].
    Boosting(BoostingParams),
    /// See [`svr`].
    Svr(SvrParams),
    /// The mean of the nearest training rows: see [`neighbours`].
    Neighbours {
        /// How many of them.
        k: u32,
    },
    /// See [`crate::classify()`].
    Classify(ClassMethod),
    /// See [`kmeans`].
    KMeans(KMeansParams),
    /// See [`mixture`].
    Mixture(MixtureParams),
    /// See [`pca`].
    Pca {
        /// Directions wanted.
        components: u32,
        /// Whether columns count in units of their deviation.
        standardise: bool,
    },
    /// See [`isolation`].
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
            Algorithm::Ridge => Method::Ridge { alpha: param("alpha") },
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
            Algorithm::Knn => Method::Neighbours { k: param("k") as u32 },
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
            Algorithm::Pca => Method::Pca {
                components: param("components") as u32,
                standardise: param("standardise") != 0.0,
            },
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

    /// The fit of `rows` that goes on from one of the first `older` of them; `None` where this method, or that fit, is none to
    /// go on from, or where it is time to start anew.
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
        let (Method::Boosting(params), Parameters::Trees(trees)) = (self, before) else { return Ok(None) };
        scratch.gather(design, target.into(), rows);
        let own = (params, trees, older);
        let trees = boosting_on(&scratch.block, &scratch.target, &scratch.weights, own)?;
        Ok(trees.map(Parameters::Trees))
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
        match self {
            Method::Mean => Some(mean(moments)),
            Method::Linear => Some(ridge(moments, 0.0)),
            Method::Ridge { alpha } => Some(ridge(moments, *alpha)),
            Method::ElasticNet(params) => Some(elastic_net(moments, *params)),
            Method::Pca { components, standardise } => {
                Some(pca(moments, *components, *standardise).map(Parameters::Structure))
            }
            _ => None,
        }
    }

    /// Whether rows may count differently: see [`Algorithm::takes_weights`].
    fn takes_weights(&self) -> bool {
        matches!(
            self,
            Method::Mean
                | Method::Linear
                | Method::Ridge { .. }
                | Method::ElasticNet(_)
                | Method::LogLinear(_)
                | Method::Forest(_)
                | Method::Boosting(_)
                | Method::Classify(
                    ClassMethod::Logistic { .. }
                        | ClassMethod::NaiveBayes { .. }
                        | ClassMethod::Forest(_)
                        | ClassMethod::Boosting(_)
                )
        )
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
        let y = target.into();
        if y.weights.is_some() && !self.takes_weights() {
            return Err(LearnError::Weights);
        }
        match self {
            Method::Mean => mean(&Moments::over(design, y, rows, scratch)),
            Method::Linear => ridge(&Moments::over(design, y, rows, scratch), 0.0),
            Method::Ridge { alpha } => ridge(&Moments::over(design, y, rows, scratch), *alpha),
            Method::ElasticNet(params) => elastic_net(&Moments::over(design, y, rows, scratch), *params),
            Method::LogLinear(params) => {
                scratch.gather(design, y, rows);
                weighted_log_linear(&scratch.block, &scratch.target, &scratch.weights, *params)
            }
            Method::Forest(params) => {
                scratch.gather(design, y, rows);
                weighted_forest(&scratch.block, &scratch.target, &scratch.weights, params)
                    .map(Parameters::Trees)
            }
            Method::Boosting(params) => {
                scratch.gather(design, y, rows);
                weighted_boosting(&scratch.block, &scratch.target, &scratch.weights, params)
                    .map(Parameters::Trees)
            }
            Method::Svr(params) => {
                scratch.gather(design, y, rows);
                svr(&scratch.block, &scratch.target, *params).map(Parameters::Kernel)
            }
            Method::Neighbours { k } => {
                scratch.gather(design, y, rows);
                neighbours(&scratch.block, scratch.target.clone(), *k).map(Parameters::Neighbours)
            }
            Method::Pca { components, standardise } => {
                let moments = Moments::over(design, y, rows, scratch);
                pca(&moments, *components, *standardise).map(Parameters::Structure)
            }
            Method::KMeans(params) => {
                scratch.gather(design, y, rows);
                kmeans(&scratch.block, params).map(Parameters::Structure)
            }
            Method::Mixture(params) => {
                scratch.gather(design, y, rows);
                mixture(&scratch.block, params).map(Parameters::Structure)
            }
            Method::Isolation(params) => {
                scratch.gather(design, y, rows);
                isolation(&scratch.block, params).map(Parameters::Structure)
            }
            Method::Classify(method) => {
                scratch.gather(design, y, rows);
                weighted_classify(&scratch.block, &scratch.target, &scratch.weights, method)
                    .map(Parameters::Classifier)
            }
        }
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
