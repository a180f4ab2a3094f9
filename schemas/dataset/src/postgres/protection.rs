//! Whether a connection is encrypted and what is asked of the server's certificate: `sslmode` and `sslrootcert`, as libpq
//! has them.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use tokio_postgres::config::SslMode;

use super::certificate::{Authorities, Demand};
use super::encryption::Encryption;
use super::error::DatabaseError;

/// How a connection is protected; weaker ways first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// Not at all.
    Disable,
    /// Encrypted if the server offers it.
    Prefer,
    /// Encrypted.
    Require,
    /// And the certificate is from one of the authorities.
    VerifyCa,
    /// And it is for the server's name.
    VerifyFull,
}

/// Where the certificates of authorities are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Roots {
    System,
    File(PathBuf),
}

/// What a source wants of its connections.
#[derive(Debug, Clone)]
pub(super) struct Protection {
    mode: Mode,
    roots: Option<Roots>,
}

impl Protection {
    /// The protection of `sslmode` and `sslrootcert`.
    ///
    /// # Errors
    /// [`DatabaseError`] for an unknown mode, and for one that does not go with the authorities.
    pub(super) fn new(mode: Option<&str>, roots: Option<&str>) -> Result<Protection, DatabaseError> {
        let roots = roots.map(|place| match place {
            "system" => Roots::System,
            file => Roots::File(file.into()),
        });
        let mode = match mode {
            Some("disable") => Mode::Disable,
            Some("prefer") => Mode::Prefer,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(other) => return Err(DatabaseError::Mode { mode: other.to_owned() }),
            None if roots == Some(Roots::System) => Mode::VerifyFull,
            None => Mode::Prefer,
        };
        match (mode, roots) {
            (Mode::VerifyFull, None) => Ok(Protection { mode, roots: Some(Roots::System) }),
            (Mode::VerifyCa, None) => Err(DatabaseError::NoAuthority),
            (weaker, Some(Roots::System)) if weaker < Mode::VerifyFull => Err(DatabaseError::AnyName),
            (mode, roots) => Ok(Protection { mode, roots }),
        }
    }

    /// As the client library has it, which knows no certificates.
    pub(super) fn ssl_mode(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// Whether nothing is encrypted, whatever the server offers.
    pub(super) fn is_none(&self) -> bool {
        self.mode == Mode::Disable
    }

    /// What encrypts connections. It reads the authorities' certificates each time, so that new ones count at once, and
    /// is for threads that may wait.
    ///
    /// # Errors
    /// [`DatabaseError::Authorities`] when there are none where they should be.
    pub(super) fn encryption(&self) -> Result<Encryption, DatabaseError> {
        let authorities = match &self.roots {
            Some(roots) if !self.is_none() => Some(roots.read()?),
            _ => None,
        };
        let demand = match authorities {
            None => Demand::Nothing,
            Some(authorities) if self.mode == Mode::VerifyFull => Demand::AuthorityAndName(authorities),
            Some(authorities) => Demand::Authority(authorities),
        };
        Ok(Encryption::new(demand))
    }
}

impl Roots {
    fn read(&self) -> Result<Authorities, DatabaseError> {
        let (place, certificates) = match self {
            Roots::System => ("system".into(), Ok(rustls_native_certs::load_native_certs().certs)),
            Roots::File(file) => (
                file.display().to_string(),
                CertificateDer::pem_file_iter(file).and_then(|certificates| certificates.collect()),
            ),
        };
        let wrong = |source| DatabaseError::Authorities { place, source };
        match certificates.map(Authorities::new) {
            Ok(Some(authorities)) => Ok(authorities),
            Ok(None) => Err(wrong(pem::Error::NoItemsFound)),
            Err(source) => Err(wrong(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_libpq() {
        let made = |mode, roots| Protection::new(mode, roots).map(|made| (made.mode, made.roots));
        let file = Some(Roots::File("ca.pem".into()));
        assert_eq!(made(None, None).unwrap(), (Mode::Prefer, None));
        assert_eq!(made(Some("disable"), None).unwrap(), (Mode::Disable, None));
        assert_eq!(made(Some("require"), Some("ca.pem")).unwrap(), (Mode::Require, file.clone()));
        assert_eq!(made(Some("verify-ca"), Some("ca.pem")).unwrap(), (Mode::VerifyCa, file));
        let system = (Mode::VerifyFull, Some(Roots::System));
        assert_eq!(made(None, Some("system")).unwrap(), system);
        assert_eq!(made(Some("verify-full"), None).unwrap(), system);
        let wrong = |mode, roots| made(Some(mode), roots).unwrap_err().to_string();
        assert!(wrong("verify_full", None).contains("`sslmode=verify_full`"));
        assert!(wrong("verify-ca", None).contains("sslrootcert=FILE"));
        assert!(wrong("require", Some("system")).contains("`sslmode=verify-full`"));
    }

    #[test]
    fn authorities_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let error = || {
            let made = Protection::new(Some("require"), file.to_str()).unwrap();
            made.encryption().map(|_| ()).unwrap_err().to_string()
        };
        assert!(error().contains("ca.pem"), "{}", error());
        std::fs::write(&file, "s3cret").unwrap();
        assert!(error().contains("PEM") && !error().contains("s3cret"), "{}", error());
    }
}
