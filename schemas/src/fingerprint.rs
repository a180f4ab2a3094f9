//! The name of a fit: a hash of everything that decides it. Same fingerprint, same fit.

use serde::Serialize;

use crate::scope::Scope;
use crate::spec::{LearnSpec, ModelSpec};
use crate::window::Window;

/// Raised whenever the same inputs would train another fit than before. History:
/// * 1: the first.
/// * 2: scopes of coarser levels learn from rows with a null in a finer dimension, too.
/// * 3: trees cut columns with many equal values finer, in the middle between the values of both sides, and look at more
///   columns than `max_features` where those that were drawn cannot be cut.
/// * 4: the columns that a tree of a forest draws do not depend on the trees before it.
/// * 5: trees do not cut rows that are all alike for what sums were rounded by.
/// * 6: trees keep what their leaves weigh, so that their predictions can be explained.
/// * 7: trees of more than 200,000 rows cut columns by values that are chosen by chance; forests do not draw rows that count
///   nothing.
pub const TRAINER_VERSION: u32 = 7;

#[derive(Serialize)]
struct Decides<'a> {
    trainer: u32,
    time: &'a Option<String>,
    learn: &'a LearnSpec,
    scope: &'a str,
    window: Window,
    rows_digest: [u8; 16],
}

/// The fingerprint of the fit that `spec` yields on the rows with `rows_digest`: 32 hex digits of BLAKE3.
///
/// The source's place is left out: moved data with the same rows trains the same fits.
pub fn fingerprint(spec: &ModelSpec, scope: &Scope, window: Window, rows_digest: u128) -> String {
    let decides = Decides {
        trainer: TRAINER_VERSION,
        time: &spec.data.time,
        learn: &spec.learn,
        scope: scope.as_str(),
        window,
        rows_digest: rows_digest.to_le_bytes(),
    };
    // Serialising plain fields into memory cannot fail; an empty text would only share one name.
    let bytes = rmp_serde::to_vec_named(&decides).unwrap_or_default();
    blake3::hash(&bytes).to_hex()[..32].to_owned()
}
