//! Rows from PostgreSQL, and from what speaks its protocol: the rows of a pack's scopes are asked for with a `WHERE`.
//!
//! [`address`] is what a spec names, [`protection`] how its connections are encrypted, by [`encryption`] and [`certificate`];
//! [`columns`] and [`sql`] say it in SQL; [`rows`] reads by a cursor, in bounded memory, and as texts, which every server of
//! the protocol has alike.

mod address;
mod certificate;
mod columns;
mod encryption;
mod error;
mod protection;
mod rows;
mod sql;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_postgres::{Client, SimpleQueryMessage};
use tokio_util::task::AbortOnDropHandle;

use self::address::Address;
pub(crate) use self::address::is_database;
use self::columns::DatabaseColumn;
pub use self::error::DatabaseError;
use crate::error::ReadError;
use crate::kind::Kind;

/// Settings that make texts the same on every server, and a transaction that only reads.
const BEGIN: &str = "SET TIME ZONE 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 2; \
                     SET standard_conforming_strings = on; BEGIN READ ONLY";

/// A table or a query of a database.
#[derive(Debug, Clone)]
pub struct Database {
    address: Address,
    fetched_bytes: Arc<AtomicU64>,
}

impl Database {
    pub(crate) fn new(url: &str, query: Option<&str>) -> Result<Database, DatabaseError> {
        Ok(Database { address: Address::parse(url, query)?, fetched_bytes: Arc::default() })
    }

    /// Server and table, for people.
    pub(crate) fn place(&self) -> &str {
        &self.address.shown
    }

    /// Server and rows; a database does not say whether they changed.
    pub(crate) fn identity(&self) -> String {
        let text = format!("{}\n{}", self.address.shown, self.address.relation);
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }

    pub(crate) fn fetched_bytes(&self) -> u64 {
        self.fetched_bytes.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.fetched_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Names and kinds of the columns.
    pub(crate) async fn columns(&self) -> Result<Vec<(String, Kind)>, ReadError> {
        let columns = self.connect().await?.columns().await?;
        Ok(columns.into_iter().map(|column| (column.name.clone(), column.kind())).collect())
    }

    async fn connect(&self) -> Result<Session, ReadError> {
        let place = self.address.shown.clone();
        let protection = self.address.protection.clone();
        let plain = protection.is_none();
        let made = tokio::task::spawn_blocking(move || protection.encryption()).await;
        let encryption = made.map_err(|source| ReadError::Interrupted { source })??;
        let connected = self.address.config().connect(encryption).await;
        let (client, connection) =
            connected.map_err(|source| DatabaseError::of_connecting(place.clone(), plain, source))?;
        // Its end shows in the client's next answer.
        let connection = tokio::spawn(async move { drop(connection.await) });
        let relation = self.address.relation.clone();
        let session = Session { client, place, relation, _connection: AbortOnDropHandle::new(connection) };
        session.run(BEGIN).await?;
        Ok(session)
    }
}

/// A connection in a transaction, which ends with it.
struct Session {
    client: Client,
    place: String,
    relation: String,
    _connection: AbortOnDropHandle<()>,
}

impl Session {
    async fn run(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>, ReadError> {
        self.client.simple_query(sql).await.map_err(|source| self.failed(source))
    }

    /// The columns of the relation.
    async fn columns(&self) -> Result<Vec<DatabaseColumn>, ReadError> {
        let prepared = self.client.prepare(&format!("SELECT * FROM {} LIMIT 0", self.relation)).await;
        let prepared = prepared.map_err(|source| self.failed(source))?;
        Ok(prepared
            .columns()
            .iter()
            .map(|column| DatabaseColumn::new(column.name(), column.type_()))
            .collect())
    }

    fn failed(&self, source: tokio_postgres::Error) -> ReadError {
        ReadError::Database(DatabaseError::Query { place: self.place.clone(), source })
    }
}
