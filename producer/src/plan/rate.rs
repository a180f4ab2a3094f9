//! What earlier campaigns teach about the work of the next one.

use std::cmp::Reverse;

use schemas::algorithm::Algorithm;
use schemas::campaign::Campaign;
use schemas::cost::{Lessons, Rate};
use schemas::spec::ModelSpec;

/// Campaigns that teach, at most: the newest ones, since machines and data change.
const TEACHERS_MAX: usize = 8;

/// The constants that fit the newest campaigns by the same algorithms: those of the same model, else of another one.
pub fn rate(spec: &ModelSpec, campaigns: &[Campaign]) -> Rate {
    let own = algorithms(spec);
    let taught = |campaign: &Campaign| {
        Some(campaign.closed.as_ref()?.tally.lessons).filter(|lessons| lessons.taught() > 0)
    };
    let mut teachers: Vec<(&Campaign, Lessons)> = campaigns
        .iter()
        .filter(|campaign| algorithms(&campaign.spec) == own)
        .filter_map(|campaign| Some((campaign, taught(campaign)?)))
        .collect();
    teachers.sort_by_key(|(campaign, _)| (campaign.spec.name != spec.name, Reverse(campaign.created_at_ms)));
    let Some(model) = teachers.first().map(|(campaign, _)| campaign.spec.name.clone()) else {
        return Rate::default();
    };
    let mut lessons = Lessons::default();
    let newest = teachers.iter().filter(|(campaign, _)| campaign.spec.name == model).take(TEACHERS_MAX);
    newest.for_each(|(_, taught)| lessons.merge(taught));
    lessons.rate()
}

fn algorithms(spec: &ModelSpec) -> Vec<Algorithm> {
    let candidates = spec.learn.candidates().unwrap_or_default();
    candidates.iter().map(|candidate| candidate.algorithm).collect()
}
