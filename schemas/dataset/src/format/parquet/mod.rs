//! Parquet: the footer, then only the column chunks that are wanted.
//!
//! [`footer`] says what is where; [`chunks`] reads a file whole; [`scan`] reads one row group after another, and of each
//! only the rows that are wanted; [`pieces`] reads all columns in batches; [`bounds`] is what statistics promise about a row group.

mod bounds;
mod chunks;
mod footer;
mod pieces;
mod scan;

use crate::error::ReadError;
use crate::files::File;
use crate::kind::Kind;

pub(crate) use self::chunks::Chunks;
pub(crate) use self::footer::Footer;
pub(crate) use self::pieces::Pieces;
pub(crate) use self::scan::Groups;

pub(super) async fn columns(file: &std::sync::Arc<File>) -> Result<Vec<(String, Kind)>, ReadError> {
    let footer = Footer::fetch(file.clone()).await?;
    let fields = footer.metadata.schema().fields().iter();
    Ok(fields
        .filter(|field| !footer.is_clustered() || field.name() != crate::position::COLUMN)
        .map(|field| (field.name().clone(), Kind::of(field.data_type())))
        .collect())
}
