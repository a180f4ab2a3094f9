//! What a database source names: a server, and a table or a query.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

use super::error::DatabaseError;
use super::protection::Protection;

/// How long a server may take to answer at first.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Where rows are.
#[derive(Clone)]
pub(crate) struct Address {
    config: Config,
    pub(super) protection: Protection,
    /// The rows, as what stands after `FROM`.
    pub(crate) relation: String,
    /// For people: neither a password nor a query is in it.
    pub(crate) shown: String,
}

// A connection's settings have a password in them.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Whether a source is a database.
pub(crate) fn is_database(place: &str) -> bool {
    place.starts_with("postgres://") || place.starts_with("postgresql://")
}

impl Address {
    /// Parses `postgres://user@host:port/database?table=schema.table`, or the same without a table and with a query.
    pub(crate) fn parse(url: &str, query: Option<&str>) -> Result<Address, DatabaseError> {
        let (server, parameters) = url.split_once('?').unwrap_or((url, ""));
        let Parameters { table, mode, roots, others } = Parameters::parse(parameters);
        let mode = mode.map(str::to_owned).or_else(|| variable("PGSSLMODE"));
        let roots = roots.or_else(|| variable("PGSSLROOTCERT"));
        let protection = Protection::new(mode.as_deref(), roots.as_deref())?;
        let bare = format!("{server}?{}", others.join("&"));
        let mut config: Config = bare.trim_end_matches('?').parse().map_err(|_| DatabaseError::Address)?;
        if config.get_password().is_some() {
            return Err(DatabaseError::Password);
        }
        if let Some(password) = variable("PGPASSWORD") {
            config.password(password);
        }
        config.ssl_mode(protection.ssl_mode());
        config.connect_timeout(CONNECT_WITHIN).application_name("scopeforge");
        let shown = match table {
            Some(table) => format!("{server}?table={table}"),
            None => server.to_owned(),
        };
        let relation = match (table, query) {
            (Some(table), None) => table.split('.').map(identifier).collect::<Vec<_>>().join("."),
            (None, Some(query)) => format!("({}\n) AS wanted", query.trim().trim_end_matches(';')),
            _ => return Err(DatabaseError::Relation { place: shown }),
        };
        Ok(Address { config, protection, relation, shown })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

/// What stands behind the `?` of a URL.
#[derive(Default)]
struct Parameters<'a> {
    table: Option<&'a str>,
    mode: Option<&'a str>,
    roots: Option<String>,
    /// What the client library reads itself.
    others: Vec<&'a str>,
}

impl<'a> Parameters<'a> {
    fn parse(text: &'a str) -> Parameters<'a> {
        let mut parsed = Parameters::default();
        for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("table", name)) => parsed.table = Some(name),
                Some(("sslmode", name)) => parsed.mode = Some(name),
                Some(("sslrootcert", file)) => {
                    parsed.roots = Some(percent_decode_str(file).decode_utf8_lossy().into_owned());
                }
                _ => parsed.others.push(parameter),
            }
        }
        parsed
    }
}

/// What an environment variable is set to, if it is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A name as SQL has it, whatever is in it.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it, whatever is in it; for servers where backslashes are nothing special.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_server_and_a_table_or_a_query() {
        let address =
            Address::parse("postgres://me@db:5433/shop?table=a.b\"c&sslmode=disable", None).unwrap();
        assert_eq!(address.relation, "\"a\".\"b\"\"c\"");
        assert_eq!(address.config().get_dbname(), Some("shop"));
        let address = Address::parse("postgresql://db/shop", Some("select 1; ")).unwrap();
        assert_eq!(address.relation, "(select 1\n) AS wanted");
        for (url, query) in [("postgres://db/x", None), ("postgres://db/x?table=t", Some("select 1"))] {
            let error = Address::parse(url, query).unwrap_err().to_string();
            assert!(error.contains("either a table") && error.contains("postgres://db/x"), "{error}");
        }
    }

    #[test]
    fn passwords_are_refused_and_never_shown() {
        let error = Address::parse("postgres://me:s3cret@db/x?table=t", None).unwrap_err().to_string();
        assert!(error.contains("PGPASSWORD") && !error.contains("s3cret"), "{error}");
        let error = Address::parse("postgres://me:s3cret@db:none/x?table=t", None).unwrap_err().to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }
}
