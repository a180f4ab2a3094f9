//! How raw columns become numbers, where a spec may choose.

use serde::{Deserialize, Serialize};

/// What becomes of rows without a value in some feature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// They are incomplete: not learned from, and not answered.
    #[default]
    Drop,
    /// They are learned from and answered: trees send them the better way at each cut.
    Keep,
}

impl Missing {
    /// Whether rows without a value in some feature are dropped.
    pub fn is_drop(&self) -> bool {
        *self == Missing::Drop
    }
}

/// What becomes of text columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// A 0/1 column for each text.
    #[default]
    OneHot,
    /// One column; trees divide its texts into two sets at each cut.
    Bins,
}

impl Encoding {
    /// Whether texts become 0/1 columns.
    pub fn is_one_hot(&self) -> bool {
        *self == Encoding::OneHot
    }
}
