//! A model's part of the catalog as columns of numbers: written in one piece, read back without a look at each fit.

use std::sync::Arc;

use ahash::HashMap;
use serde::{Deserialize, Serialize};

use super::{Catalog, Entry, ModelFits, NONE, Names};
use crate::fit::{ClassificationMetrics, Metrics, RegressionMetrics, StructureMetrics};
use crate::scope::Scope;
use crate::window::Window;

/// All fits of one model. Column entries are per fit, in the order of landing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSnapshot {
    /// The model.
    pub model: String,
    /// The texts of all scopes, one after another.
    scopes: String,
    /// Where each of them ends, in bytes.
    #[serde(with = "crate::packed")]
    scope_ends: Vec<u32>,
    campaigns: Vec<String>,
    blobs: Vec<String>,
    windows: Vec<Window>,
    #[serde(with = "crate::packed")]
    scope_of: Vec<u32>,
    #[serde(with = "crate::packed")]
    campaign_of: Vec<u32>,
    #[serde(with = "crate::packed")]
    window_of: Vec<u32>,
    #[serde(with = "crate::packed")]
    blob_of: Vec<u32>,
    #[serde(with = "crate::packed")]
    index_of: Vec<u32>,
    /// [`NONE`] for a scope that is no level of its model's fallback.
    #[serde(with = "crate::packed")]
    level_of: Vec<u32>,
    #[serde(with = "crate::packed")]
    fingerprints: Vec<u128>,
    #[serde(with = "crate::packed")]
    trained_at_ms: Vec<i64>,
    /// RMSE, MAE and R² of each fit, or log loss, accuracy and F1; the first is −1 where there are none.
    #[serde(with = "crate::packed")]
    metrics: Vec<f64>,
    /// MAPE and sMAPE of each fit, or Brier score and AUC. Snapshots of the first release have none.
    #[serde(default, with = "crate::packed")]
    more_metrics: Vec<f64>,
    /// Per fit 1 for the scores of a classifier, 2 for those of what was found without a target. Snapshots of the first release have none.
    #[serde(default, with = "crate::packed")]
    classifies: Vec<u32>,
}

crate::message!(ModelSnapshot);

/// Why a snapshot was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot of the model {model} contradicts itself")]
pub struct SnapshotError {
    /// The model.
    pub model: String,
}

impl Catalog {
    /// The whole catalog, model by model.
    pub fn snapshots(&self) -> Vec<ModelSnapshot> {
        let mut all: Vec<ModelSnapshot> =
            self.models.iter().map(|(name, model)| ModelSnapshot::of(name, model)).collect();
        all.sort_by(|a, b| a.model.cmp(&b.model));
        all
    }

    /// Takes in a snapshot, in place of what was known of its model.
    ///
    /// # Errors
    /// [`SnapshotError`] when its columns do not belong together; the catalog is unchanged then.
    pub fn restore(&mut self, snapshot: ModelSnapshot) -> Result<(), SnapshotError> {
        let name = snapshot.model.clone();
        let model = snapshot.fits().ok_or_else(|| SnapshotError { model: name.clone() })?;
        self.models.insert(name, model);
        Ok(())
    }
}

impl ModelSnapshot {
    /// Number of fits.
    pub fn len(&self) -> usize {
        self.scope_of.len()
    }

    /// Whether there is no fit.
    pub fn is_empty(&self) -> bool {
        self.scope_of.is_empty()
    }

    /// Where each fit is: its blob, and its place there; `None` where the columns do not say it.
    pub fn places(&self) -> impl Iterator<Item = Option<(&str, u32)>> {
        let blob = |number: &u32| self.blobs.get(*number as usize).map(String::as_str);
        self.blob_of
            .iter()
            .enumerate()
            .map(move |(at, number)| blob(number).zip(self.index_of.get(at).copied()))
    }

    /// The fallback level of each fit's scope; `None` for one that is no level of its model's.
    pub fn levels(&self) -> impl Iterator<Item = Option<u8>> {
        self.level_of.iter().map(|level| u8::try_from(*level).ok())
    }

    fn of(name: &str, model: &ModelFits) -> ModelSnapshot {
        let (mut scopes, mut scope_ends) = (String::new(), Vec::with_capacity(model.newest.len()));
        let mut scope_of = vec![0; model.entries.len()];
        for (number, (scope, newest)) in (0u32..).zip(&model.newest) {
            scopes.push_str(scope.as_str());
            scope_ends.push(scopes.len() as u32);
            let mut place = *newest;
            while place != NONE {
                scope_of[place as usize] = number;
                place = model.entries[place as usize].older;
            }
        }
        let column = |value: fn(&Entry) -> u32| model.entries.iter().map(value).collect();
        let scores = |entry: &Entry| entry.metrics.map_or([-1.0; 5], |metrics| scores_of(&metrics));
        let classifies = |entry: &Entry| match entry.metrics {
            None | Some(Metrics::Regression(_)) => 0,
            Some(Metrics::Classification(_)) => 1,
            Some(Metrics::Structure(_)) => 2,
        };
        let texts = |names: &Names<Arc<str>>| names.list.iter().map(|text| text.to_string()).collect();
        ModelSnapshot {
            model: name.to_owned(),
            scopes,
            scope_ends,
            campaigns: texts(&model.campaigns),
            blobs: texts(&model.blobs),
            windows: model.windows.list.clone(),
            scope_of,
            campaign_of: column(|entry| entry.campaign),
            window_of: column(|entry| entry.window),
            blob_of: column(|entry| entry.blob),
            index_of: column(|entry| entry.index),
            level_of: column(|entry| entry.level.map_or(NONE, u32::from)),
            fingerprints: model.entries.iter().map(|entry| entry.fingerprint).collect(),
            trained_at_ms: model.entries.iter().map(|entry| entry.trained_at_ms).collect(),
            metrics: model.entries.iter().flat_map(|entry| scores(entry).into_iter().take(3)).collect(),
            more_metrics: model.entries.iter().flat_map(|entry| scores(entry).into_iter().skip(3)).collect(),
            classifies: model.entries.iter().map(classifies).collect(),
        }
    }

    /// `None` when the columns do not belong together.
    fn fits(self) -> Option<ModelFits> {
        let scopes = self.scope_texts()?;
        if !self.is_whole(scopes.len()) {
            return None;
        }
        let mut newest = vec![NONE; scopes.len()];
        let mut entries = Vec::with_capacity(self.len());
        for at in 0..self.len() {
            let older = std::mem::replace(&mut newest[self.scope_of[at] as usize], at as u32);
            entries.push(Entry {
                older,
                campaign: self.campaign_of[at],
                window: self.window_of[at],
                blob: self.blob_of[at],
                index: self.index_of[at],
                level: u8::try_from(self.level_of[at]).ok(),
                fingerprint: self.fingerprints[at],
                trained_at_ms: self.trained_at_ms[at],
                metrics: self.metrics_of(at),
            });
        }
        let newest: HashMap<Scope, u32> = scopes.into_iter().zip(newest).collect();
        let texts = |list: Vec<String>| Names::of(list.into_iter().map(Arc::from).collect());
        Some(ModelFits {
            newest,
            entries,
            campaigns: texts(self.campaigns),
            blobs: texts(self.blobs),
            windows: Names::of(self.windows),
        })
    }

    fn metrics_of(&self, at: usize) -> Option<Metrics> {
        let [first, second, third] = [0, 1, 2].map(|score| self.metrics[3 * at + score]);
        let [fourth, fifth] =
            [0, 1].map(|score| self.more_metrics.get(2 * at + score).copied().unwrap_or(f64::NAN));
        // Not `first < 0`: a score that is no number is a score.
        (first != -1.0).then_some(match self.classifies.get(at) {
            Some(1) => Metrics::Classification(ClassificationMetrics {
                log_loss: first,
                accuracy: second,
                f1: third,
                brier: fourth,
                auc: fifth,
            }),
            Some(2) => Metrics::Structure(StructureMetrics {
                inertia: first,
                silhouette: second,
                log_likelihood: third,
                explained_variance: fourth,
                anomaly_score: fifth,
            }),
            _ => Metrics::Regression(RegressionMetrics {
                rmse: first,
                mae: second,
                r2: third,
                mape: fourth,
                smape: fifth,
            }),
        })
    }

    fn scope_texts(&self) -> Option<Vec<Scope>> {
        let starts = std::iter::once(0).chain(self.scope_ends.iter().copied());
        let text = |(start, end): (u32, &u32)| self.scopes.get(start as usize..*end as usize);
        starts.zip(&self.scope_ends).map(|span| text(span).map(Scope::from_canonical)).collect()
    }

    /// Whether every column has an entry for every fit, and every number names something.
    fn is_whole(&self, scopes: usize) -> bool {
        let fits = self.len();
        let names = |column: &[u32], names: usize| {
            column.len() == fits && column.iter().all(|number| (*number as usize) < names)
        };
        names(&self.scope_of, scopes)
            && names(&self.campaign_of, self.campaigns.len())
            && names(&self.window_of, self.windows.len())
            && names(&self.blob_of, self.blobs.len())
            && [self.index_of.len(), self.level_of.len(), self.fingerprints.len(), self.trained_at_ms.len()]
                .iter()
                .all(|length| *length == fits)
            && self.metrics.len() == 3 * fits
            && [0, 2 * fits].contains(&self.more_metrics.len())
            && [0, fits].contains(&self.classifies.len())
    }
}

/// A fit's scores, as columns hold them.
fn scores_of(metrics: &Metrics) -> [f64; 5] {
    match metrics {
        Metrics::Regression(m) => [m.rmse, m.mae, m.r2, m.mape, m.smape],
        Metrics::Classification(m) => [m.log_loss, m.accuracy, m.f1, m.brier, m.auc],
        Metrics::Structure(m) => {
            [m.inertia, m.silhouette, m.log_likelihood, m.explained_variance, m.anomaly_score]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_of_the_first_release_keep_their_scores() {
        let snapshot = ModelSnapshot {
            model: "m".into(),
            scopes: String::new(),
            scope_ends: vec![0],
            campaigns: vec!["c".into()],
            blobs: vec!["b".into()],
            windows: vec![Window::ALL],
            scope_of: vec![0],
            campaign_of: vec![0],
            window_of: vec![0],
            blob_of: vec![0],
            index_of: vec![0],
            level_of: vec![0],
            fingerprints: vec![7],
            trained_at_ms: vec![7],
            metrics: vec![3.0, 2.0, 0.5],
            more_metrics: Vec::new(),
            classifies: Vec::new(),
        };
        let fits = snapshot.fits().expect("a whole snapshot");
        let scores = fits.entries[0].metrics.and_then(|metrics| metrics.regression()).expect("scores");
        assert_eq!((scores.rmse, scores.mae, scores.r2), (3.0, 2.0, 0.5));
        assert!(scores.mape.is_nan());
    }
}
