//! Every bound in one place, each with the reason for its size.

/// Characters in a model, channel or worker name: fits a subject token and a file name.
pub const NAME_CHARS_MAX: usize = 64;

/// Dimensions of one model. A scope's level is a bit set of them.
pub const DIMENSIONS_MAX: usize = 16;

/// Features of one model, before one-hot expansion.
pub const FEATURES_MAX: usize = 1_000;

/// Rows that are held out of one scope to score its fit: so many tell an error to about two thousandths, and all are in memory at
/// once.
pub const HOLDOUT_ROWS_MAX: usize = 200_000;

/// Candidates that a scope chooses from.
pub const CANDIDATES_MAX: usize = 256;

/// Folds of a cross-validation.
pub const FOLDS_MAX: u32 = 100;

/// Steps that a time series is foretold: a fit of this horizon takes 400 KiB with two levels of intervals.
pub const HORIZON_MAX: u32 = 10_000;

/// Levels of prediction intervals of one model.
pub const LEVELS_MAX: usize = 10;

/// Lags of one time series, and its rolling means: each is a column.
pub const LAGS_MAX: usize = 100;

/// Points that a lag or a rolling mean reaches back: more than a year of hours.
pub const LAG_MAX: u32 = 10_000;

/// Points of one time series: two years of minutes.
pub const POINTS_MAX: usize = 1_051_200;

/// Columns of a design matrix after one-hot expansion: its Gram matrix is 32 MiB at this width.
pub const DESIGN_WIDTH_MAX: usize = 2_048;

/// Classes that one fit tells apart: a bin of a tree's histogram then takes 2 KiB, an answer's row as much.
pub const CLASSES_MAX: usize = 256;

/// Numbers that a fit may keep of its training rows (2 MiB): every predicted row is compared with all of them.
pub const KEPT_VALUES_MAX: usize = 1 << 18;

/// Bytes of a model spec file.
pub const SPEC_BYTES_MAX: usize = 256 * 1024;

/// Bytes of one `--scope` pattern.
pub const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// Scopes one campaign may plan. At about 100 bytes each this is 1 GiB in the planner.
pub const CAMPAIGN_SCOPES_MAX: usize = 10_000_000;

/// Bytes of scope text one pack may carry: with incumbents it stays below the broker's 1 MiB message limit.
pub const PACK_BYTES_MAX: usize = 256 * 1024;

/// Scopes one pack may carry, so that its landing stays below the broker's 1 MiB message limit.
pub const PACK_SCOPES_MAX: usize = 1_000;

/// Most scopes that one HTTP request can order.
pub const TRAIN_SCOPES_MAX: usize = 10_000;

/// Jobs that the work on one scope may be cut into, the merge not counted.
pub const SHARDS_MAX: u32 = 1_024;

/// Times the broker delivers a pack. More than any spec's `attempts`, which count errors: these also count trainers that
/// vanished with the pack, which is no fault of its scopes.
pub const DELIVERIES_MAX: u32 = 50;

/// Seconds that a spec may allow for learning one scope: a week.
pub const SCOPE_SECONDS_MAX: u64 = 604_800;

/// Memory that a spec must allow for learning one scope, in MiB.
pub const SCOPE_MIB_MIN: u64 = 16;

/// Rows of one prediction request.
pub const PREDICT_ROWS_MAX: usize = 100_000;

/// Bytes of one prediction request over HTTP.
pub const PREDICT_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Rows of one request to a predictor, and those from which on no other one joins its message: the answer may name a fit or an
/// error for each, some 200 bytes, and should mostly fit a message as well.
pub const MESSAGE_ROWS_MAX: usize = 4_096;

/// Bytes of one message to or from a predictor: the broker's default limit of 1 MiB less room for headers.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024 - 16 * 1024;

/// Nodes of trees that explaining one message may visit: at some 20 ns each, others wait for a sixth of a second. The rows of
/// a larger request come in several messages.
pub const EXPLAINED_NODES_MAX: usize = 1 << 23;

/// Characters of a failure reason kept in the ledger.
pub const REASON_CHARS_MAX: usize = 500;

/// Failed scopes named in a campaign record; all of them stay in the ledger.
pub const FAILED_NAMED_MAX: usize = 100;

/// Campaigns a channel keeps, newest last: the record stays below 512 KiB.
pub const CHANNEL_CAMPAIGNS_MAX: usize = 10_000;

/// Bytes of fits that a bundle keeps together: what a first answer has to unpack, and large enough to be compressed well.
pub const BUNDLE_BLOCK_BYTES: usize = 128 * 1024;

/// Bytes of one block of a bundle when it is unpacked: a single fit may be a large forest.
pub const BUNDLE_FIT_BYTES_MAX: u64 = 1 << 30;

/// Bytes of a bundle's contents when they are unpacked: those of ten million fits.
pub const BUNDLE_CONTENTS_BYTES_MAX: u64 = 4 << 30;
