//! The auditor's look at the store: every fit that an outcome names is there, whole, and predicts what it must.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use schemas::blob::Blob;
use schemas::fit::Parameters;

use crate::audit::{Audit, Named};
use crate::data::Data;
use crate::field::Field;
use crate::raw::Store;

/// Where predictions are compared.
const AT: [f64; 3] = [-100.0, 0.0, 12.5];

/// The largest error that rounding explains.
const TOLERANCE: f64 = 1e-6;

/// Examines every named fit, and counts blobs that nothing names.
pub(crate) async fn examine(field: &Field, named: &BTreeSet<Named>, audit: &mut Audit) -> Result<()> {
    let mut store = Store::open(&field.store_itself).await?;
    let mut by_blob: BTreeMap<&str, Vec<&Named>> = BTreeMap::new();
    for fit in named {
        by_blob.entry(&fit.2).or_default().push(fit);
    }
    for (name, fits) in &by_blob {
        let Some(bytes) = store.get(name).await? else {
            audit.lost(format!("blob {name} of {} fits is not in the store", fits.len()));
            continue;
        };
        if blake3::hash(&bytes).to_hex().as_str() != *name {
            audit.lost(format!("blob {name} has other bytes than its name says"));
            continue;
        }
        let blob = Blob::verify(name, bytes)?;
        for fit in fits {
            if let Err(problem) = one(&blob, fit) {
                audit.lost(problem);
            }
        }
    }
    let there = store.list().await?;
    audit.orphans = there.iter().filter(|name| !by_blob.contains_key(name.as_str())).count();
    Ok(())
}

/// One fit: that of the scope, and right.
fn one(blob: &Blob<Vec<u8>>, (scope, fingerprint, name, place): &Named) -> Result<(), String> {
    let place = u32::try_from(*place).map_err(|_| format!("{scope}: place {place}"))?;
    let fit = blob.fit(place).map_err(|error| format!("{scope}: {error}"))?;
    if fit.scope.as_str() != scope || fit.fingerprint != *fingerprint {
        return Err(format!("blob {name} has at place {place} the fit of {}, not of {scope}", fit.scope));
    }
    let Parameters::Linear { intercept, coefficients } = &fit.parameters else {
        panic!("the scenarios train linear fits");
    };
    let [slope] = coefficients[..] else {
        return Err(format!("{scope}: {} coefficients", coefficients.len()));
    };
    for x in AT {
        let predicted = intercept + slope * x;
        // Scopes beyond the regular data have no reference.
        let Some(right) = Data::predicts(scope, x) else { continue };
        if (predicted - right).abs() > TOLERANCE {
            return Err(format!("{scope}: predicts {predicted} at {x}, not {right}"));
        }
    }
    Ok(())
}
