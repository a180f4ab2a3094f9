//! Which fit answers rows with which values in their dimensions, remembered until the catalog, the channel or the spec moves.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ahash::HashMap;
use runtime::catalog::LiveCatalog;
use schemas::catalog::Landed;
use schemas::channel::Channel;
use schemas::fit::FitRef;
use schemas::predict::UsedFit;
use schemas::scope::Scope;
use schemas::spec::ModelSpec;
use schemas::text::respelled;

/// Answers remembered for one channel of a model: some 30 MiB. Past that they are found anew.
const REMEMBERED_MAX: usize = 1 << 17;

/// Models with remembered answers.
const MODELS_MAX: usize = 256;

/// Channels of one model with remembered answers: the one that answers, its canary, its shadow, and one more.
const CHANNELS_MAX: usize = 4;

/// Whole numbers among a row's values of which each is tried in both spellings.
const RESPELLED_MAX: usize = 3;

/// Rows that are looked up in one go: who has a new answer waits for that.
const AT_ONCE: usize = 256;

/// A fit that answers rows.
#[derive(Debug)]
pub struct Target {
    /// Where it rests.
    pub fit: FitRef,
    /// How it is named to the caller.
    pub used: Arc<UsedFit>,
}

/// By what rows are answered.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The model.
    pub spec: &'a Arc<ModelSpec>,
    /// The channel's name.
    pub name: &'a str,
    /// The channel in the state that answers.
    pub channel: &'a Arc<Channel>,
}

/// What has been found, by model and channel.
#[derive(Debug, Default)]
pub struct Targets {
    models: Mutex<HashMap<String, Tables>>,
}

/// What has been found for one model: a table for each channel, the one that was asked for last in front.
#[derive(Debug, Default)]
struct Tables(Vec<Arc<Table>>);

/// What has been found for one channel of a model in one state of everything.
#[derive(Debug)]
pub struct Table {
    spec: Arc<ModelSpec>,
    name: String,
    channel: Arc<Channel>,
    /// Fits of the model that the catalog had.
    landed: usize,
    /// The model's levels.
    masks: Vec<u32>,
    found: RwLock<Found>,
    /// What was known until something moved.
    before: Mutex<Option<Arc<Table>>>,
}

#[derive(Debug, Default)]
struct Found {
    /// By the values of all dimensions.
    by_values: HashMap<Vec<u8>, Option<Arc<Target>>>,
    /// By level and fingerprint: values that one fit answers share it.
    by_fit: HashMap<(u8, String), Arc<Target>>,
}

impl Targets {
    /// What is known on this way; nothing, where something has moved since.
    pub fn of(&self, way: &Way, catalog: &LiveCatalog) -> Arc<Table> {
        let landed = catalog.with(|catalog| catalog.landed(&way.spec.name));
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = models.get_mut(&way.spec.name) {
            return known.of(way, landed);
        }
        if models.len() >= MODELS_MAX {
            models.clear();
        }
        models.entry(way.spec.name.clone()).or_default().of(way, landed)
    }

    /// The model and the channel of each table.
    pub fn asked(&self) -> Vec<(String, String)> {
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let channels = |(model, tables): (&String, &Tables)| -> Vec<(String, String)> {
            tables.0.iter().map(|table| (model.clone(), table.name.clone())).collect()
        };
        models.iter().flat_map(channels).collect()
    }
}

impl Tables {
    fn of(&mut self, way: &Way, landed: usize) -> Arc<Table> {
        let place = self.0.iter().position(|table| table.name == way.name);
        let table = match place.map(|place| self.0.remove(place)) {
            Some(known) if known.holds(way, landed) => known,
            // One that nobody has taken knows more than the one that took its place a moment ago.
            Some(known) => Table::new(way, landed, known.take_before().or(Some(known))),
            None => Table::new(way, landed, None),
        };
        self.0.insert(0, table.clone());
        self.0.truncate(CHANNELS_MAX);
        table
    }
}

impl Table {
    fn new(way: &Way, landed: usize, before: Option<Arc<Table>>) -> Arc<Table> {
        Arc::new(Table {
            spec: way.spec.clone(),
            name: way.name.to_owned(),
            channel: way.channel.clone(),
            landed,
            masks: way.spec.level_masks(),
            found: RwLock::default(),
            before: Mutex::new(before),
        })
    }

    /// What was known until something moved, once.
    pub fn take_before(&self) -> Option<Arc<Table>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The values that were asked for and have a fit, each with that one.
    pub fn answered(&self) -> Vec<(Vec<u8>, Arc<Target>)> {
        let found = self.found.read().unwrap_or_else(PoisonError::into_inner);
        let answered = found.by_values.iter();
        answered.filter_map(|(key, target)| Some((key.clone(), target.clone()?))).collect()
    }

    fn holds(&self, way: &Way, landed: usize) -> bool {
        self.landed == landed
            && Arc::ptr_eq(&self.spec, way.spec)
            // Not by its state: moves back and forth can end in one of the same number and newest campaign.
            && (Arc::ptr_eq(&self.channel, way.channel) || self.channel.campaigns == way.channel.campaigns)
    }

    /// The fit of the first fallback level that has one, for each of some rows with these values in their dimensions.
    pub fn find_each<'v, V: Iterator<Item = Option<&'v str>> + Clone>(
        &self,
        way: &Way,
        catalog: &LiveCatalog,
        rows: &[V],
    ) -> Vec<Option<Arc<Target>>> {
        let mut targets = Vec::with_capacity(rows.len());
        let (mut key, mut unknown) = (Vec::with_capacity(32), Vec::new());
        for some in rows.chunks(AT_ONCE) {
            let found = self.found.read().unwrap_or_else(PoisonError::into_inner);
            for values in some {
                write_key(&mut key, values.clone());
                let known = found.by_values.get(&key);
                if known.is_none() {
                    unknown.push(targets.len());
                }
                targets.push(known.cloned().flatten());
            }
        }
        for place in unknown {
            targets[place] = self.find_anew(way, catalog, rows[place].clone());
        }
        targets
    }

    fn find_anew<'v>(
        &self,
        way: &Way,
        catalog: &LiveCatalog,
        values: impl Iterator<Item = Option<&'v str>> + Clone,
    ) -> Option<Arc<Target>> {
        let key = key_of(values.clone());
        let values: Vec<Option<&str>> = values.collect();
        let resolved = self.resolve(way, catalog, &values);
        let mut found = self.found.write().unwrap_or_else(PoisonError::into_inner);
        if found.by_values.len() >= REMEMBERED_MAX {
            *found = Found::default();
        }
        let target = resolved.map(|(level, scope, landed)| {
            let key = (level, landed.fit.fingerprint.clone());
            found.by_fit.entry(key).or_insert_with(|| Arc::new(Target::new(level, scope, landed))).clone()
        });
        found.by_values.insert(key, target.clone());
        target
    }

    fn resolve(
        &self,
        way: &Way,
        catalog: &LiveCatalog,
        values: &[Option<&str>],
    ) -> Option<(u8, Scope, Landed)> {
        let spellings = spellings(values);
        let lacking = values.iter().enumerate().filter(|(_, value)| value.is_none());
        let lacking = lacking.fold(0, |mask, (place, _)| mask | 1u32 << place);
        let mut levels = self.masks.iter().zip(0u8..).filter(|(mask, _)| **mask & lacking == 0);
        // The sum over all shops is no forecast of one of them.
        let most = if self.spec.adds_up() { 1 } else { usize::MAX };
        catalog.with(|catalog| {
            levels.by_ref().take(most).find_map(|(mask, level)| {
                spellings.iter().find_map(|spelling| {
                    let values: Vec<Option<&str>> = spelling.iter().map(Option::as_deref).collect();
                    let scope = scope_of(&self.spec, &values, *mask)?;
                    let landed = catalog.resolve(&self.spec.name, way.channel, &scope)?;
                    Some((level, scope, landed))
                })
            })
        })
    }
}

impl Target {
    fn new(level: u8, scope: Scope, landed: Landed) -> Target {
        let used = UsedFit {
            scope,
            level,
            fingerprint: landed.fit.fingerprint.clone(),
            campaign: landed.campaign.to_string(),
            trained_at_ms: landed.fit.trained_at_ms,
            classes: Vec::new(),
            scores: 0,
        };
        Target { fit: landed.fit, used: Arc::new(used) }
    }
}

/// The scope that a row with these values has at the level `mask`; `None` when one of them is missing.
pub fn scope_of(spec: &ModelSpec, values: &[Option<&str>], mask: u32) -> Option<Scope> {
    let dimensions = spec.scope.dimensions.iter().zip(values).enumerate();
    let fixed: Option<Vec<(&str, &str)>> = dimensions
        .filter(|(place, _)| mask & (1 << place) != 0)
        .map(|(_, (name, value))| Some((name.as_str(), (*value)?)))
        .collect();
    Some(Scope::new(fixed?))
}

/// The values as they are, and then with whole numbers in their other spelling: who sends 7 may have trained from a file with
/// 7.0, and the other way round. Of many such values all at once.
fn spellings<'v>(values: &[Option<&'v str>]) -> Vec<Vec<Option<Cow<'v, str>>>> {
    let own: Vec<Option<Cow<str>>> = values.iter().map(|value| value.map(Cow::Borrowed)).collect();
    let others: Vec<(usize, String)> =
        values.iter().enumerate().filter_map(|(at, value)| Some((at, respelled((*value)?)?))).collect();
    let with = |values: &[Option<Cow<'v, str>>], others: &[(usize, String)]| {
        let mut values = values.to_vec();
        others.iter().for_each(|(at, other)| values[*at] = Some(other.clone().into()));
        values
    };
    let mut all = vec![own];
    // Each doubles what there is; of many, all make one group.
    let group = if others.len() <= RESPELLED_MAX { 1 } else { others.len() };
    for some in others.chunks(group) {
        let more: Vec<_> = all.iter().map(|values| with(values, some)).collect();
        all.extend(more);
    }
    all
}

/// Bytes that only these values have.
fn key_of<'v>(values: impl Iterator<Item = Option<&'v str>>) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    write_key(&mut key, values);
    key
}

/// Puts them in the place of what `key` held before.
fn write_key<'v>(key: &mut Vec<u8>, values: impl Iterator<Item = Option<&'v str>>) {
    key.clear();
    for value in values {
        let length = value.map_or(u32::MAX, |value| value.len() as u32);
        key.extend_from_slice(&length.to_le_bytes());
        key.extend_from_slice(value.unwrap_or_default().as_bytes());
    }
}

/// The values of a key.
pub fn values_of(mut key: &[u8]) -> Vec<Option<&str>> {
    let mut values = Vec::new();
    while let Some((length, rest)) = key.split_first_chunk() {
        let length = u32::from_le_bytes(*length);
        let (value, rest) =
            rest.split_at(if length == u32::MAX { 0 } else { (length as usize).min(rest.len()) });
        values.push(std::str::from_utf8(value).ok().filter(|_| length != u32::MAX));
        key = rest;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::catalog::Catalog;

    fn spec() -> Arc<ModelSpec> {
        let text = "name = \"m\"\n[data]\nsource = \"m.csv\"\n[learn]\ntarget = \"y\"\nalgorithm = \"mean\"";
        Arc::new(ModelSpec::parse(text).unwrap())
    }

    /// A canary flips between two channels with every request.
    #[test]
    fn channels_asked_for_in_turn_keep_what_each_has_found() {
        let (targets, catalog, spec) = (Targets::default(), LiveCatalog::fixed(Catalog::default()), spec());
        let channel = Arc::new(Channel::default());
        let of = |name: &str| targets.of(&Way { spec: &spec, name, channel: &channel }, &catalog);
        let (live, next) = (of("live"), of("next"));
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&of("live"), &live) && Arc::ptr_eq(&of("next"), &next));
        }
        let mut asked = targets.asked();
        asked.sort();
        assert_eq!(asked, [("m".into(), "live".into()), ("m".into(), "next".into())]);
        // One that moves begins anew, and the other one stays.
        let moved = |campaigns: [&str; 2]| {
            let campaigns = campaigns.map(str::to_owned).to_vec();
            let channel = Arc::new(Channel { campaigns, ..Channel::default() });
            targets.of(&Way { spec: &spec, name: "next", channel: &channel }, &catalog)
        };
        let anew = moved(["a", "c"]);
        assert!(Arc::ptr_eq(&anew.take_before().unwrap(), &next));
        assert!(Arc::ptr_eq(&of("live"), &live));
        assert!(Arc::ptr_eq(&moved(["a", "c"]), &anew));
        assert!(!Arc::ptr_eq(&moved(["b", "c"]), &anew), "as many campaigns and the same newest, but others");
    }

    #[test]
    fn of_many_channels_those_stay_that_were_asked_for_last() {
        let (targets, catalog, spec) = (Targets::default(), LiveCatalog::fixed(Catalog::default()), spec());
        let channel = Arc::new(Channel::default());
        let of = |name: &str| targets.of(&Way { spec: &spec, name, channel: &channel }, &catalog);
        let live = of("live");
        for number in 0..3 * CHANNELS_MAX {
            of(&format!("c{number}"));
            assert!(Arc::ptr_eq(&of("live"), &live));
        }
        assert_eq!(targets.asked().len(), CHANNELS_MAX);
    }

    #[test]
    fn whole_numbers_are_tried_in_both_spellings_and_as_they_are_first() {
        let texts = |values: &[Option<&str>]| -> Vec<String> {
            let line = |each: Vec<Option<Cow<str>>>| {
                each.iter().map(|value| value.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
            };
            spellings(values).into_iter().map(line).collect()
        };
        assert_eq!(texts(&[Some("a"), None, Some("7.5")]), ["a - 7.5"]);
        assert_eq!(texts(&[Some("7"), Some("x"), Some("8.0")]), ["7 x 8.0", "7.0 x 8.0", "7 x 8", "7.0 x 8"]);
        assert_eq!(texts(&[Some("1"); 16]), [["1"; 16].join(" "), ["1.0"; 16].join(" ")]);
    }

    #[test]
    fn only_equal_values_share_a_key() {
        let key = |values: &[Option<&str>]| key_of(values.iter().copied());
        let all: [&[Option<&str>]; 5] = [
            &[Some("a"), Some("b")],
            &[Some("ab"), Some("")],
            &[None, Some("ab")],
            &[Some("ab"), None],
            &[Some("a\u{1}"), None],
        ];
        for (place, values) in all.iter().enumerate() {
            assert!(all[..place].iter().all(|other| key(other) != key(values)));
            assert_eq!(key(values), key(values));
            assert_eq!(values_of(&key(values)), *values);
        }
    }
}
