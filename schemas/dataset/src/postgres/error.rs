//! What can go wrong between a database and a table.

use rustls::pki_types::pem;
use tokio_postgres::error::{DbError, SqlState};

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
    /// No such way of protecting a connection.
    #[error("`sslmode={mode}` is not known; known are disable, prefer, require, verify-ca and verify-full")]
    Mode {
        /// What stands there.
        mode: String,
    },
    /// Certificates are to be from an authority, but nobody says which.
    #[error(
        "`sslmode=verify-ca` wants `sslrootcert=FILE` beside it, the certificate of the server's authority; `sslmode=verify-full` takes the system's authorities without it"
    )]
    NoAuthority,
    /// Authorities that sign for everybody, and no look at the name.
    #[error(
        "`sslrootcert=system` goes with `sslmode=verify-full` only: those authorities have signed certificates for everybody's servers"
    )]
    AnyName,
    /// The authorities' certificates are not there.
    #[error(
        "`sslrootcert={place}`: no certificates in PEM form can be read there; they must be where trainers and `enqueue` run"
    )]
    Authorities {
        /// The file, or `system`.
        place: String,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The server is not the wanted one, or proves it by other authorities.
    #[error(
        "{place}: the server's certificate is refused; `sslrootcert=FILE` in the source must have the authority's, and with `sslmode=verify-full` the server's must be for this host"
    )]
    Certificate {
        /// The server.
        place: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server offers encryption that is none here.
    #[error(
        "{place}: no encrypted connection can be agreed on; `sslmode=disable` in the source does without"
    )]
    Encryption {
        /// The server.
        place: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The server refuses what is not encrypted.
    #[error("{place}: refused without encryption; if that is why, say `sslmode=require` in the source")]
    Plain {
        /// The server.
        place: String,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
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
    /// The error of a connection that did not come about, with or without an attempt to encrypt it.
    pub(super) fn of_connecting(place: String, plain: bool, source: tokio_postgres::Error) -> DatabaseError {
        let cause = std::error::Error::source(&source);
        let wrong = cause.and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match (wrong, source.as_db_error()) {
            (Some(rustls::Error::InvalidCertificate(_)), _) => DatabaseError::Certificate { place, source },
            (Some(_), _) => DatabaseError::Encryption { place, source },
            (None, Some(refusal)) if plain && is_about_access(refusal) => {
                DatabaseError::Plain { place, source }
            }
            (None, _) => DatabaseError::Connect { place, source },
        }
    }

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

/// Whether the server lets nobody in from there in that way. Its own words are in its language; the file's name is not.
fn is_about_access(refusal: &DbError) -> bool {
    *refusal.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        && ["pg_hba.conf", "SSL", "TLS"].iter().any(|word| refusal.message().contains(word))
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
