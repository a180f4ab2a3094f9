//! Which columns are wanted, and as what.

use schemas::feature::Feature;
use schemas::spec::ModelSpec;
use schemas::task::Task;

/// As what a column is wanted. One column may be wanted as several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A number: a target or a feature.
    Number,
    /// A text by code: a dimension or a categorical feature.
    Text,
    /// Milliseconds since 1970: the ordering column, or one that date parts are made from.
    Time,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Number => "numbers",
            Role::Text => "texts",
            Role::Time => "times",
        })
    }
}

/// The columns to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Request {
    /// Columns that scopes restrict.
    pub dimensions: Vec<String>,
    /// The column that orders the rows.
    pub time: Option<String>,
    /// Columns wanted as numbers.
    pub numbers: Vec<String>,
    /// Columns wanted as texts, other than as dimensions.
    pub texts: Vec<String>,
    /// Columns wanted as times, other than as the order.
    pub times: Vec<String>,
}

impl Request {
    /// What planning a campaign needs: dimensions and time.
    pub fn for_planning(spec: &ModelSpec) -> Request {
        Request {
            dimensions: spec.scope.dimensions.clone(),
            time: spec.data.time.clone(),
            ..Request::default()
        }
    }

    /// What training needs: also the target (classes as texts), the features and the columns that features are made from.
    pub fn for_training(spec: &ModelSpec) -> Request {
        let mut request = Request { texts: spec.learn.categorical.clone(), ..Request::for_planning(spec) };
        // A checked spec's algorithms exist.
        match spec.task().unwrap_or(Task::Regression) {
            Task::Regression => request.numbers.push(spec.learn.target.clone()),
            Task::Classification => request.texts.push(spec.learn.target.clone()),
            Task::Clusters | Task::Components | Task::Anomalies => {}
        }
        request.numbers.extend(spec.learn.weight.clone());
        for feature in &spec.learn.features {
            let list = match feature {
                Feature::Column(_) => &mut request.numbers,
                Feature::DatePart(..) => &mut request.times,
            };
            if !list.iter().any(|name| name == feature.column()) {
                list.push(feature.column().to_owned());
            }
        }
        request
    }

    /// What a row to predict has: dimensions, features, the columns that features are made from, and the time of a series.
    pub fn for_predicting(spec: &ModelSpec) -> Request {
        let mut request = Request { texts: spec.learn.categorical.clone(), ..Request::for_planning(spec) };
        if spec.learn.series.is_none() {
            request.time = None;
        }
        for feature in &spec.learn.features {
            match feature {
                Feature::Column(column) if spec.learn.categorical.contains(column) => {}
                Feature::Column(column) => request.numbers.push(column.clone()),
                Feature::DatePart(_, column) => request.times.push(column.clone()),
            }
        }
        request
    }

    /// Whether a column is wanted in a role.
    pub fn wants(&self, name: &str, role: Role) -> bool {
        self.slots().iter().any(|slot| slot.name == *name && slot.role == role)
    }

    /// Wants a column as well.
    #[must_use]
    pub fn and(mut self, name: &str, role: Role) -> Request {
        let list = match role {
            Role::Number => &mut self.numbers,
            Role::Text => &mut self.texts,
            Role::Time => &mut self.times,
        };
        list.push(name.to_owned());
        self
    }

    /// About what a row of a table for training takes in a trainer: its values, of which numbers are kept once more row by row, its
    /// hash and its places in groups, in bytes.
    pub fn row_bytes(&self) -> u64 {
        let bytes = |slot: &Slot| match slot.role {
            Role::Number => 16,
            Role::Time => 16,
            Role::Text => 8,
        };
        self.slots().iter().map(bytes).sum::<u64>() + 32
    }

    /// Each wanted column and role once.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let wanted = (self.dimensions.iter().map(|name| (name, Role::Text)))
            .chain(self.time.iter().map(|name| (name, Role::Time)))
            .chain(self.numbers.iter().map(|name| (name, Role::Number)))
            .chain(self.texts.iter().map(|name| (name, Role::Text)))
            .chain(self.times.iter().map(|name| (name, Role::Time)));
        let mut slots: Vec<Slot> = Vec::new();
        for (name, role) in wanted {
            if !slots.iter().any(|slot| slot.name == *name && slot.role == role) {
                slots.push(Slot { name: name.clone(), role });
            }
        }
        slots
    }
}

/// One column in one role; a table has one column for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The column's name in the source.
    pub(crate) name: String,
    /// As what it is wanted.
    pub(crate) role: Role,
}
