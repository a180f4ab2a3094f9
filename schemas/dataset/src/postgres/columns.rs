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

    /// A condition that rows meet whose text is one of `values`, and hardly others. It compares in the column's own type, so
    /// that an index on it serves, and has no value in it that the server could not read as that type: no row holds those.
    pub(super) fn among<'a>(&self, values: impl Iterator<Item = &'a str>) -> String {
        // A text with a NUL is none that a server has.
        let values = values.filter(|value| !value.contains('\0'));
        let literals: Vec<String> = values.filter_map(|value| self.literal(value)).collect();
        let compared = match self.data_type {
            // Of no type of its own: as the text that is read.
            Type::UNKNOWN => self.expression(Role::Text),
            _ => identifier(&self.name),
        };
        match literals.is_empty() {
            true => "false".to_owned(),
            false => format!("{compared} IN ({})", literals.join(", ")),
        }
    }

    /// The value whose text is `value`; `None` when the column's type has none. What is only quoted becomes a value of the
    /// column's type.
    fn literal(&self, value: &str) -> Option<String> {
        let holds = match (&self.data_type, self.data_type.kind()) {
            (&Type::BOOL, _) => return matches!(value, "true" | "false").then(|| value.to_owned()),
            (&Type::DATE, _) => return day(value),
            // Beyond its range the server has none; beyond that of the other integers it goes on comparing.
            (&Type::OID, _) => return integer(value).filter(|oid| oid.parse::<u32>().is_ok()),
            _ if self.is_integer() => return integer(value),
            // Blanks at the end are padding, which the text does not have.
            (&Type::BPCHAR, _) => !value.ends_with(' '),
            (&Type::UUID, _) => is_uuid(value),
            (_, PgKind::Enum(labels)) => labels.iter().any(|label| label == value),
            _ => true,
        };
        holds.then(|| literal(value))
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

/// An integer, which is written in one way.
fn integer(text: &str) -> Option<String> {
    text.parse::<i64>().ok().map(|number| number.to_string()).filter(|written| written == text)
}

/// A day as the server writes it.
fn day(text: &str) -> Option<String> {
    let ordinary = || {
        let written = format_ms(schemas::time::parse_instant(text).ok()?);
        written.get(..10).map(|day| day == text)
    };
    let is_day = matches!(text, "infinity" | "-infinity") || ordinary() == Some(true);
    is_day.then(|| format!("date {}", literal(text)))
}

/// Whether a text is a UUID as the server writes it.
fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dimension_is_compared_in_its_own_type_and_with_what_that_can_hold() {
        let sizes = PgKind::Enum(vec!["S".into(), "it's".into()]);
        let size = Type::new("size".into(), 70_000, sizes, "public".into());
        let uuid = "0f1e2d3c-0000-4000-8000-00000000abcd";
        for (data_type, values, wanted) in [
            (Type::TEXT, ["a", "it's"], "\"c\" IN ('a', 'it''s')"),
            (Type::VARCHAR, ["a", "a\0"], "\"c\" IN ('a')"),
            (Type::BPCHAR, ["a", "a "], "\"c\" IN ('a')"),
            (Type::UUID, [uuid, "0F1E"], &format!("\"c\" IN ('{uuid}')")),
            (Type::UUID, [&uuid.to_uppercase(), ""], "false"),
            (size, ["it's", "M"], "\"c\" IN ('it''s')"),
            (Type::BOOL, ["true", "t"], "\"c\" IN (true)"),
            (Type::INT2, ["-7", "07"], "\"c\" IN (-7)"),
            (Type::OID, ["7", "9999999999"], "\"c\" IN (7)"),
            (Type::DATE, ["2013-02-01", "2013-02-30"], "\"c\" IN (date '2013-02-01')"),
            (Type::DATE, ["infinity", "now"], "\"c\" IN (date 'infinity')"),
            (Type::UNKNOWN, ["a", "b"], "\"c\"::text IN ('a', 'b')"),
        ] {
            let column = DatabaseColumn::new("c", &data_type);
            assert!(column.serves(Role::Text), "{data_type}");
            assert_eq!(column.among(values.into_iter()), wanted, "{data_type}");
        }
    }
}
