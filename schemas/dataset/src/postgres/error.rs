//! What can go wrong between a database and a table.

use tokio_postgres::error::SqlState;

/// Why a database did not give what was wanted. No message has a password or a row in it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The source is no such URL.
    #[error("the source is no URL like postgres://user@host:5432/database?table=schema.table")]
    Address,
    /// A password where everybody who may read the spec could read it.
    #[error(
        "specs are stored and shown, so a password must not stand in the source: set PGPASSWORD where trainers and `enqueue` run"
    )]
    Password,
    /// Not exactly one of table and query.
    #[error("{place}: name either a table with `?table=` in the source, or a `query` beside it")]
    Relation {
        /// The server.
        place: String,
    },
    /// The server could not be reached.
    #[error("{place}: cannot be reached")]
    Connect {
        /// The server.
        place: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server refused, or was lost.
    #[error("{place}: the rows cannot be read")]
    Query {
        /// The server.
        place: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl DatabaseError {
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        let (DatabaseError::Connect { source, .. } | DatabaseError::Query { source, .. }) = self else {
            return false;
        };
        match source.code() {
            Some(state) => is_passing(state),
            // Without a word of the server: it was not there, or the connection was lost; or a password is missing.
            None => source.is_closed() || is_of_network(source),
        }
    }
}

fn is_of_network(error: &tokio_postgres::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.any(|cause| cause.is::<std::io::Error>())
}

/// Classes of states that pass: connections, resources, rolled back transactions, and a server that goes or comes.
fn is_passing(state: &SqlState) -> bool {
    let gone = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::QUERY_CANCELED,
    ];
    ["08", "40", "53"].iter().any(|class| state.code().starts_with(class)) || gone.contains(state)
}
