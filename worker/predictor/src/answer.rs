//! From a batch of rows to predictions: resolve each row's fit, then predict by columns.

mod forecast;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use learn::{Block, Design, most_probable, predict};
use runtime::catalog::LiveCatalog;
use runtime::mirror::Mirror;
use schemas::catalog::Landed;
use schemas::channel::{Channel, LIVE};
use schemas::column::{Column, TextColumn};
use schemas::feature::Feature;
use schemas::fit::{Fit, Input, Parameters};
use schemas::outcome::clip_reason;
use schemas::predict::{
    NO_FIT, NamedColumn, PredictReply, PredictRequest, Predictions, Refusal, RowError, RowErrorKind, UsedFit,
};
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::structure::Structure;
use schemas::subjects::channel_key;
use tokio::time::Instant;

use crate::cache::FitCache;

/// How long a request waits for news of its channel, and between two looks.
const BEHIND_MAX: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Answers requests from what it has in memory, loading fits as they are needed.
#[derive(Debug)]
pub struct Predictor {
    /// Model specs.
    pub models: Mirror<ModelSpec>,
    /// Channels.
    pub channels: Mirror<Channel>,
    /// Which fits there are.
    pub catalog: LiveCatalog,
    /// Their bytes.
    pub fits: FitCache,
}

/// Rows with the same values in all dimensions.
struct Cell {
    values: Vec<Option<String>>,
    rows: Vec<u32>,
}

/// The rows that one fit answers, with the scope it was found by.
type Share = (Landed, Scope, Vec<u32>);

impl Predictor {
    /// Whether it has caught up with the broker.
    pub fn is_ready(&self) -> bool {
        self.models.is_ready() && self.channels.is_ready() && self.catalog.is_ready()
    }

    /// Predicts every row that can be; the others are errors at their index.
    pub async fn answer(&self, request: PredictRequest) -> PredictReply {
        match self.predict(request).await {
            Ok(predictions) => PredictReply::Done(predictions),
            Err(refusal) => PredictReply::Refused(refusal),
        }
    }

    async fn predict(&self, request: PredictRequest) -> Result<Predictions, Refusal> {
        let no_model = || Refusal::NoModel { model: request.model.clone() };
        let spec = self.models.get(&request.model).ok_or_else(no_model)?;
        let channel = self.channel(&request).await?;
        let rows = request.rows as usize;
        let columns = Columns::new(request.columns, rows)?;
        let mut answers = Answers::new(rows);
        let mut by_fit: HashMap<(u8, String), Share> = HashMap::new();
        for cell in cells(&spec, &columns, rows) {
            match self.resolve(&spec, &channel, &cell.values) {
                Some((level, scope, landed)) => {
                    let key = (level, landed.fit.fingerprint.clone());
                    by_fit.entry(key).or_insert((landed, scope, Vec::new())).2.extend(cell.rows);
                }
                None => answers.no_fit(&spec, &request.channel, &cell),
            }
        }
        let mut used: Vec<_> = by_fit.into_iter().collect();
        used.sort_by_key(|(_, (_, _, rows))| rows[0]);
        for ((level, _), (landed, scope, rows)) in used {
            match self.fits.get(&landed.fit).await {
                Ok(fit) => answers.add(&fit, used_fit(scope, level, &landed), &columns, &rows),
                Err(error) => {
                    let message = format!("{:#}", anyhow::Error::from(error));
                    answers.all(&rows, RowErrorKind::Unavailable, None, &message);
                }
            }
        }
        Ok(answers.done())
    }

    /// The channel in the state that the request names. One that is not there yet is waited for: a move reaches all predictors within
    /// moments.
    async fn channel(&self, request: &PredictRequest) -> Result<Arc<Channel>, Refusal> {
        let key = channel_key(&request.model, &request.channel);
        let until = Instant::now() + BEHIND_MAX;
        loop {
            let now = self.channels.get(&key).unwrap_or_default();
            let Some(state) = &request.state else { return Ok(now) };
            match now.in_state(state) {
                Some(channel) => return Ok(channel),
                None if Instant::now() >= until => return Err(Refusal::Behind),
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// The first fallback level at which there is a fit for a row with these values.
    fn resolve(
        &self,
        spec: &ModelSpec,
        channel: &Channel,
        values: &[Option<String>],
    ) -> Option<(u8, Scope, Landed)> {
        let named = spec.level_masks().into_iter().zip(0u8..);
        let mut levels = named.filter_map(|(mask, level)| Some((level, scope_of(spec, values, mask)?)));
        // The sum over all shops is no forecast of one of them.
        let most = if spec.adds_up() { 1 } else { usize::MAX };
        self.catalog.with(|catalog| {
            levels.by_ref().take(most).find_map(|(level, scope)| {
                let landed = catalog.resolve(&spec.name, channel, &scope)?;
                Some((level, scope, landed))
            })
        })
    }
}

/// The scope that a row with these values has at the level `mask`; `None` when one of them is missing.
fn scope_of(spec: &ModelSpec, values: &[Option<String>], mask: u32) -> Option<Scope> {
    let dimensions = spec.scope.dimensions.iter().zip(values).enumerate();
    let fixed: Option<Vec<(&str, &str)>> = dimensions
        .filter(|(place, _)| mask & (1 << place) != 0)
        .map(|(_, (name, value))| Some((name.as_str(), value.as_deref()?)))
        .collect();
    Some(Scope::new(fixed?))
}

/// The columns of a request. One name may stand for a text (as a dimension) and for a number (as a feature).
struct Columns(Vec<(String, Arc<Column>)>);

impl Columns {
    fn new(named: Vec<NamedColumn>, rows: usize) -> Result<Columns, Refusal> {
        if let Some(wrong) = named.iter().find(|named| named.column.len() != rows) {
            let found = wrong.column.len();
            let problem = format!("column `{}` has {found} rows, the request {rows}", wrong.name);
            return Err(Refusal::BadRequest { problem });
        }
        Ok(Columns(named.into_iter().map(|named| (named.name, Arc::new(named.column))).collect()))
    }

    fn text(&self, name: &str) -> Option<&TextColumn> {
        self.0.iter().find_map(|(known, column)| match &**column {
            Column::Text(text) if known == name => Some(text),
            _ => None,
        })
    }

    /// The column that feeds `input`; one of another kind where there is no right one, so that the error can say so.
    fn of(&self, input: &Input) -> Option<Arc<Column>> {
        let fits = |column: &Column| {
            matches!(
                (input, column),
                (Input::OneHot { .. } | Input::Category { .. }, Column::Text(_))
                    | (Input::Number(Feature::Column(_)), Column::Number(_))
                    | (Input::Number(Feature::DatePart(..)), Column::Time(_))
            )
        };
        let named = || self.0.iter().filter(|(name, _)| name == input.column()).map(|(_, column)| column);
        named().find(|column| fits(column)).or_else(|| named().next()).cloned()
    }
}

/// Groups rows by the values of all dimensions. A dimension without a column is missing in every row.
fn cells(spec: &ModelSpec, columns: &Columns, rows: usize) -> Vec<Cell> {
    let texts: Vec<Option<&TextColumn>> =
        spec.scope.dimensions.iter().map(|name| columns.text(name)).collect();
    let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut cells: Vec<Cell> = Vec::new();
    let mut key = Vec::with_capacity(texts.len());
    for row in 0..rows {
        key.clear();
        key.extend(texts.iter().map(|text| text.map_or(u32::MAX, |text| text.codes[row])));
        let place = *places.entry(key.clone()).or_insert_with(|| {
            let value = |text: &Option<&TextColumn>| text.and_then(|text| text.get(row)).map(str::to_owned);
            cells.push(Cell { values: texts.iter().map(value).collect(), rows: Vec::new() });
            cells.len() - 1
        });
        cells[place].rows.push(row as u32);
    }
    cells
}

fn used_fit(scope: Scope, level: u8, landed: &Landed) -> UsedFit {
    UsedFit {
        scope,
        level,
        fingerprint: landed.fit.fingerprint.clone(),
        campaign: landed.campaign.to_string(),
        trained_at_ms: landed.fit.trained_at_ms,
        classes: Vec::new(),
        scores: 0,
    }
}

/// Predictions as they come together.
struct Answers {
    done: Predictions,
    /// Of each row that a classifier answered.
    probabilities: Vec<Vec<f64>>,
    block: Block,
}

impl Answers {
    fn new(rows: usize) -> Answers {
        let done = Predictions {
            values: vec![f64::NAN; rows],
            fit_of: vec![NO_FIT; rows],
            ..Predictions::default()
        };
        Answers { done, probabilities: vec![Vec::new(); rows], block: Block::default() }
    }

    fn add(&mut self, fit: &Fit, used: UsedFit, columns: &Columns, rows: &[u32]) {
        if let Parameters::Forecast(forecast) = &fit.parameters {
            return self.foretell(forecast, used, columns, rows);
        }
        let design = match Design::new(&fit.inputs, self.done.values.len(), |input| columns.of(input)) {
            Ok(design) => design.with_missing(fit.missing),
            Err(error) => {
                let column = Some(error.column().to_owned());
                return self.all(rows, RowErrorKind::Invalid, column, &error.to_string());
            }
        };
        let (whole, torn): (Vec<u32>, Vec<u32>) =
            rows.iter().partition(|row| design.is_complete(**row as usize));
        for row in torn {
            let field = design.missing(row as usize).map(str::to_owned);
            self.error(
                row,
                RowErrorKind::Invalid,
                field,
                "the field is missing; the fit needs a value of it",
            );
        }
        design.block(&whole, &mut self.block);
        let mut values = Vec::new();
        if let Err(error) = predict(&fit.parameters, &self.block, &mut values) {
            return self.all(&whole, RowErrorKind::Unavailable, None, &error.to_string());
        }
        let outputs = fit.parameters.outputs();
        let classifies = !fit.classes.is_empty();
        let lists = matches!(&fit.parameters, Parameters::Structure(Structure::Components { .. }));
        if !lists && outputs != fit.classes.len().max(1) {
            let message = "the fit names other classes than it predicts";
            return self.all(&whole, RowErrorKind::Unavailable, None, message);
        }
        let place = self.done.fits.len() as u32;
        self.done.fits.push(UsedFit {
            classes: fit.classes.clone(),
            scores: if lists { outputs as u32 } else { 0 },
            ..used
        });
        for (row, values) in whole.into_iter().zip(values.chunks_exact(outputs)) {
            if !values.iter().all(|value| value.is_finite()) {
                self.error(row, RowErrorKind::Invalid, None, "the values are too large to predict with");
                continue;
            }
            self.done.fit_of[row as usize] = place;
            self.done.values[row as usize] = values[0];
            if lists {
                self.probabilities[row as usize] = values.to_vec();
            }
            if classifies {
                self.done.values[row as usize] = most_probable(values) as f64;
                self.probabilities[row as usize] = values.to_vec();
            }
        }
    }

    fn no_fit(&mut self, spec: &ModelSpec, channel: &str, cell: &Cell) {
        let most_exact = spec.level_masks().into_iter().find_map(|mask| scope_of(spec, &cell.values, mask));
        let scope = most_exact.map(|scope| scope.to_string()).unwrap_or_default();
        let option = if channel == LIVE { String::new() } else { format!(" --channel {channel}") };
        let message = format!(
            "no fit on channel `{channel}` for scope `{scope}` nor any level above it; train it with `enqueue train {} --scope '{scope}' --levels{option}`",
            spec.name
        );
        self.all(&cell.rows, RowErrorKind::NoFit, None, &clip_reason(&message));
    }

    fn all(&mut self, rows: &[u32], kind: RowErrorKind, field: Option<String>, message: &str) {
        rows.iter().for_each(|row| self.error(*row, kind, field.clone(), message));
    }

    fn error(&mut self, row: u32, kind: RowErrorKind, field: Option<String>, message: &str) {
        self.done.errors.push(RowError { row, kind, field, message: message.to_owned() });
    }

    fn done(mut self) -> Predictions {
        self.done.errors.sort_by_key(|error| error.row);
        self.done.probabilities = self.probabilities.concat();
        self.done
    }
}
