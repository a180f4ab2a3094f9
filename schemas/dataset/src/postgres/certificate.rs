//! What is asked of a server's certificate.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Who may sign certificates.
#[derive(Debug)]
pub(super) struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
}

impl Authorities {
    /// Those of `certificates` that can be read; `None` when there are none.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Option<Authorities> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        (!roots.is_empty()).then_some(Authorities { certificates, roots })
    }
}

/// What a certificate must be.
#[derive(Debug)]
pub(super) enum Demand {
    /// Anything: only listeners are kept out.
    Nothing,
    /// Signed by an authority.
    Authority(Authorities),
    /// And for the server's name.
    AuthorityAndName(Authorities),
}

/// Looks at certificates.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) demand: Demand,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl Check {
    /// Whether a signature says nothing, because anybody's would do. What is not looked at may then be of any form.
    fn is_open(&self) -> bool {
        matches!(self.demand, Demand::Nothing)
    }
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let (authorities, named) = match &self.demand {
            Demand::Nothing => return Ok(ServerCertVerified::assertion()),
            Demand::Authority(authorities) => (authorities, false),
            Demand::AuthorityAndName(authorities) => (authorities, true),
        };
        let parsed = ParsedCertificate::try_from(certificate)?;
        // Many servers have signed their certificate themselves, and clients have a copy of it.
        if !authorities.certificates.contains(certificate) {
            let (roots, algorithms) = (&authorities.roots, self.algorithms.all);
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)?;
        }
        if named {
            verify_server_name(&parsed, server)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.is_open() {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => verify_tls12_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.is_open() {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => verify_tls13_signature(message, certificate, signature, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
