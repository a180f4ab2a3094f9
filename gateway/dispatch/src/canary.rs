//! A share of the scopes answered by another channel.

use std::sync::Arc;

use schemas::channel::{ChannelState, Share};
use schemas::predict::{PredictRequest, Predictions, RowErrorKind};
use schemas::spec::ModelSpec;

use crate::join::join;
use crate::order::Scopes;

/// Another channel that also has to do with some scopes of the one that is asked, in one state for all rows.
#[derive(Debug, Clone)]
pub struct Other {
    /// The channel's name, and which scopes are its.
    pub share: Share,
    /// Which of its campaigns answer.
    pub state: Arc<ChannelState>,
}

impl Other {
    /// The same rows, asked of this channel.
    pub fn instead(&self, request: PredictRequest) -> PredictRequest {
        let (channel, state) = (self.share.channel.as_str().into(), Some(self.state.clone()));
        PredictRequest { channel, state, ..request }
    }

    /// The rows of a request whose scopes are in the share, and the others.
    pub fn partition(&self, spec: &ModelSpec, request: &PredictRequest) -> (Vec<u32>, Vec<u32>) {
        let scopes = Scopes::of(spec, &request.columns);
        (0..request.rows).partition(|row| self.share.has(scopes.key(*row as usize)))
    }
}

/// Predicts a request's rows by `ask`: those of the canary's scopes by its channel, as far as that has fits for them, and the
/// others as the request says. The result has one entry for each row, in their order.
///
/// # Errors
/// Those of `ask`.
pub async fn with_canary<E, F: Future<Output = Result<Predictions, E>>>(
    spec: &ModelSpec,
    canary: Option<&Other>,
    request: PredictRequest,
    ask: impl Fn(PredictRequest) -> F,
) -> Result<Predictions, E> {
    let Some(canary) = canary else { return ask(request).await };
    let rows = request.rows as usize;
    let (theirs, mut left) = canary.partition(spec, &request);
    let mut parts = Vec::new();
    if !theirs.is_empty() {
        let mut answer = ask(canary.instead(request.take(&theirs))).await?;
        // What the canary cannot answer is answered as before.
        answer.errors.retain(|error| match error.kind {
            RowErrorKind::NoFit => {
                left.push(theirs[error.row as usize]);
                false
            }
            _ => true,
        });
        left.sort_unstable();
        parts.push((theirs, answer));
    }
    if !left.is_empty() {
        let answer = ask(request.take(&left)).await?;
        parts.push((left, answer));
    }
    Ok(join(rows, parts))
}
