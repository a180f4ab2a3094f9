//! What a database's columns hold, and how they are asked for.

use schemas::time::format_ms;
use tokio_postgres::types::{Kind as PgKind, Type};

use super::address::{identifier, literal};
use crate::kind::Kind;
use crate::request::Role;

/// A column of the relation.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseColumn {
    pub(crate) name: String,
    data_type: Type,
}

impl DatabaseColumn {
    pub(super) fn new(name: &str, data_type: &Type) -> DatabaseColumn {
        DatabaseColumn { name: name.to_owned(), data_type: data_type.clone() }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.data_type {
            Type::BOOL => Kind::Boolean,
            Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ => Kind::Time,
            Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => Kind::Number,
            _ if self.is_integer() => Kind::Number,
            _ if self.is_text() => Kind::Text,
            _ => Kind::Other,
        }
    }

    fn is_integer(&self) -> bool {
        matches!(self.data_type, Type::INT2 | Type::INT4 | Type::INT8 | Type::OID)
    }

    fn is_text(&self) -> bool {
        matches!(
            self.data_type,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UUID | Type::UNKNOWN
        ) || matches!(self.data_type.kind(), PgKind::Enum(_))
    }

    /// Whether it can be read as `role`, as columns of files can.
    pub(super) fn serves(&self, role: Role) -> bool {
        match (role, self.kind()) {
            (Role::Number, Kind::Number | Kind::Boolean) => true,
            (Role::Text, Kind::Text | Kind::Boolean) => true,
            (Role::Text, _) => self.is_integer() || self.data_type == Type::DATE,
            (Role::Time, Kind::Time | Kind::Text) => true,
            _ => false,
        }
    }

    /// The expression whose text is the column's value in `role`: a number, a text, or milliseconds since 1970.
    pub(super) fn expression(&self, role: Role) -> String {
        let column = identifier(&self.name);
        match (role, self.kind()) {
            (Role::Number, Kind::Boolean) => format!("{column}::int"),
            (Role::Number, _) => format!("{column}::float8"),
            // In whole numbers, for older servers extract floating ones. Infinite times are missing ones.
            (Role::Time, Kind::Time) => format!(
                "CASE WHEN isfinite({column}) THEN \
                 extract(epoch FROM date_trunc('second', {column}::{time}))::bigint * 1000 \
                 + floor(extract(milliseconds FROM {column}::{time}))::bigint % 1000 END",
                time = if self.data_type == Type::TIMESTAMPTZ { "timestamptz" } else { "timestamp" },
            ),
            (Role::Text | Role::Time, _) => format!("{column}::text"),
        }
    }

    /// Whether times come as milliseconds.
    pub(super) fn is_time(&self) -> bool {
        self.kind() == Kind::Time
    }

    /// `values` as the server compares them with the column, without those that it can never hold; `None` when it cannot
    /// compare them.
    pub(super) fn literals<'a>(&self, values: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
        let written: fn(&str) -> Option<String> = match self.data_type {
            Type::BOOL => |value| matches!(value, "true" | "false").then(|| value.to_owned()),
            Type::DATE => |value| {
                let ms = schemas::time::parse_instant(value).ok()?;
                format_ms(ms)
                    .get(..10)
                    .filter(|day| *day == value)
                    .map(|day| format!("date {}", literal(day)))
            },
            Type::TEXT | Type::VARCHAR | Type::NAME => |value| Some(literal(value)),
            _ if self.is_integer() => {
                |value| value.parse::<i64>().ok().filter(|n| n.to_string() == value).map(|n| n.to_string())
            }
            _ => return None,
        };
        // A text with a NUL is none that a server has.
        Some(values.filter(|value| !value.contains('\0')).filter_map(written).collect())
    }

    /// The moment `ms` as the server compares it with the column; `None` when it cannot.
    pub(super) fn moment(&self, ms: i64) -> Option<String> {
        let zone = match self.data_type {
            Type::TIMESTAMPTZ => "timestamptz",
            Type::TIMESTAMP | Type::DATE => "timestamp",
            _ => return None,
        };
        // What lies outside of the server's calendar is left to the reader.
        (-62_000_000_000_000..250_000_000_000_000)
            .contains(&ms)
            .then(|| format!("{zone} {}", literal(&format_ms(ms))))
    }
}
