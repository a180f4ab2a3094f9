//! What a message claims, held against its bytes before it is decoded: the decoder trusts offsets and lengths.

use arrow_ipc::{DictionaryBatch, Endianness, Field, RecordBatch, Schema, Type};
use arrow_schema::{DataType, Schema as ArrowSchema};

use super::decode::Limits;
use super::error::IpcError;

/// Columns that a stream may have: more than any model reads.
const COLUMNS_MAX: usize = 10_000;

/// Whether all columns are of types that models read. Nested ones are none, so nothing is deep.
pub(super) fn schema(schema: &Schema) -> Result<(), IpcError> {
    if schema.endianness() == Endianness::Big {
        return Err(IpcError::damaged("its numbers are big-endian"));
    }
    let fields = schema.fields().ok_or_else(|| IpcError::damaged("a schema without fields"))?;
    if fields.len() > COLUMNS_MAX {
        return Err(IpcError::TooManyColumns { columns: fields.len(), columns_max: COLUMNS_MAX });
    }
    match fields.iter().find(|field| !is_readable(field)) {
        None => Ok(()),
        Some(field) => Err(IpcError::Type {
            column: field.name().unwrap_or_default().to_owned(),
            found: field.type_type().variant_name().unwrap_or("unknown").to_owned(),
        }),
    }
}

fn is_readable(field: &Field) -> bool {
    let is_flat = field.children().is_none_or(|children| children.is_empty());
    let kind = field.type_type();
    let scalar = [Type::Int, Type::FloatingPoint, Type::Bool, Type::Decimal, Type::Date, Type::Timestamp];
    let text = [Type::Utf8, Type::LargeUtf8, Type::Utf8View];
    let is_known = text.contains(&kind) || scalar.contains(&kind);
    is_flat && (is_known || (kind == Type::Null && field.dictionary().is_none()))
}

/// The body of a message.
#[derive(Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) bytes: usize,
    pub(super) limits: &'a Limits,
}

impl Body<'_> {
    /// Whether it holds the values of a dictionary as `batch` says.
    pub(super) fn holds_dictionary(
        &self,
        batch: &DictionaryBatch,
        schema: &ArrowSchema,
    ) -> Result<(), IpcError> {
        let data = batch.data().ok_or_else(|| IpcError::damaged("a dictionary without values"))?;
        let id = batch.id();
        let mut fields = schema.fields().iter();
        // Where else the schema keeps it is not settled in Arrow's own library.
        #[expect(deprecated)]
        let field = fields.find(|field| field.dict_id() == Some(id));
        match field.map(|field| field.data_type()) {
            Some(DataType::Dictionary(_, values)) => self.holds(&data, &[values]),
            _ => Err(IpcError::damaged(format!("a dictionary {id} that no column has"))),
        }
    }

    /// Whether it holds the rows of all columns as `batch` says.
    pub(super) fn holds_rows(&self, batch: &RecordBatch, schema: &ArrowSchema) -> Result<(), IpcError> {
        let types: Vec<&DataType> = schema.fields().iter().map(|field| field.data_type()).collect();
        self.holds(batch, &types)
    }

    fn holds(&self, batch: &RecordBatch, types: &[&DataType]) -> Result<(), IpcError> {
        if batch.compression().is_some() {
            return Err(IpcError::Compressed);
        }
        let (rows, rows_max) = (batch.length(), self.limits.batch_rows_max);
        if rows < 0 {
            return Err(IpcError::damaged(format!("a batch of {rows} rows")));
        }
        if rows > rows_max as i64 {
            return Err(IpcError::TooManyRows { rows, rows_max });
        }
        let nodes = batch.nodes().into_iter().flatten();
        let is_right =
            |node: &arrow_ipc::FieldNode| node.length() == rows && (0..=rows).contains(&node.null_count());
        if nodes.clone().count() != types.len() || !nodes.into_iter().all(is_right) {
            return Err(IpcError::damaged("a column has another number of rows than its batch"));
        }
        self.holds_buffers(batch, types)
    }

    /// Whether all buffers lie within it, and have whole values.
    fn holds_buffers(&self, batch: &RecordBatch, types: &[&DataType]) -> Result<(), IpcError> {
        let all = batch.buffers().map_or(0, |buffers| buffers.len());
        let mut buffers = batch.buffers().into_iter().flatten();
        let mut texts = batch.variadicBufferCounts().into_iter().flatten();
        for data_type in types {
            let mut widths = widths(data_type);
            if **data_type == DataType::Utf8View {
                let count = texts.next().and_then(|count| usize::try_from(count).ok());
                let count = count.filter(|count| *count <= all);
                let count = count.ok_or_else(|| IpcError::damaged("more buffers of texts than there are"))?;
                widths.resize(widths.len() + count, 1);
            }
            for width in widths {
                let is_held = |buffer: &arrow_ipc::Buffer| {
                    let end = buffer.offset().checked_add(buffer.length());
                    let is_inside = end.is_some_and(|end| end <= self.bytes as i64);
                    buffer.offset() >= 0 && buffer.length() >= 0 && is_inside && buffer.length() % width == 0
                };
                if !buffers.next().is_some_and(is_held) {
                    return Err(IpcError::damaged(
                        "a buffer lies outside of its message, or ends within a value",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Bytes of one value in each buffer of a column, bits as 1.
fn widths(data_type: &DataType) -> Vec<i64> {
    match data_type {
        DataType::Null => Vec::new(),
        DataType::Utf8 => vec![1, 4, 1],
        DataType::LargeUtf8 => vec![1, 8, 1],
        DataType::Utf8View => vec![1, 16],
        DataType::Dictionary(keys, _) => widths(keys),
        other => vec![1, other.primitive_width().unwrap_or(1) as i64],
    }
}
