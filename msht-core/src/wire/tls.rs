//! Mutual TLS 1.3 between pinned Ed25519 identities, without any certificate authority.
//!
//! The certificate is a self-signed wrapper around the identity key; only its key counts. The client accepts one
//! key and no other; the server accepts any key at this level and asks its roster who that is (C1), because an
//! enrolling node is not on it yet. Names and dates in certificates are not looked at.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig,
    SignatureScheme,
};

use super::frame::ALPN;
use crate::crypto::{Identity, IdentityKey};

/// Name in every certificate; nobody looks at it.
const SERVER_NAME: &str = "msht.invalid";
/// DER of an Ed25519 SubjectPublicKeyInfo up to the key (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// TLS could not be set up with this identity.
#[derive(Debug, Clone, thiserror::Error)]
#[error("TLS cannot be set up with this identity: {0}")]
pub struct TlsError(String);

/// The server name to hand to the QUIC client.
#[must_use]
pub fn server_name() -> &'static str {
    SERVER_NAME
}

/// The identity key in the peer's certificate, if it is an Ed25519 one.
#[must_use]
pub fn peer_key(certificates: &[CertificateDer<'_>]) -> Option<IdentityKey> {
    let certificate = webpki::EndEntityCert::try_from(certificates.first()?).ok()?;
    let spki = certificate.subject_public_key_info();
    let key = spki.as_ref().strip_prefix(&SPKI_PREFIX)?;
    Some(IdentityKey::from_bytes(key.try_into().ok()?))
}

/// Configuration of the coordinator's side.
///
/// # Errors
/// [`TlsError`].
pub fn server_config(identity: &Identity) -> Result<ServerConfig, TlsError> {
    let (certificate, key) = certificate(identity)?;
    let provider = provider();
    let verifier = Arc::new(AnyIdentity(provider.signature_verification_algorithms));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls_error)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)
        .map_err(tls_error)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Configuration of a node's side, which accepts only the coordinator with `pinned`.
///
/// # Errors
/// [`TlsError`].
pub fn client_config(identity: &Identity, pinned: IdentityKey) -> Result<ClientConfig, TlsError> {
    client(identity, Some(pinned))
}

/// Configuration of a node's side that accepts whatever key the coordinator proves to hold: only to read how a
/// coordinator's key changed, which carries its own signatures, and only with an `identity` made for that.
///
/// # Errors
/// [`TlsError`].
pub fn client_config_unpinned(identity: &Identity) -> Result<ClientConfig, TlsError> {
    client(identity, None)
}

fn client(identity: &Identity, pinned: Option<IdentityKey>) -> Result<ClientConfig, TlsError> {
    let (certificate, key) = certificate(identity)?;
    let provider = provider();
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Arc::new(PinnedIdentity { pinned, algorithms });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls_error)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![certificate], key)
        .map_err(tls_error)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = false;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn tls_error(error: impl std::fmt::Display) -> TlsError {
    TlsError(error.to_string())
}

fn certificate(
    identity: &Identity,
) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), TlsError> {
    let pkcs8 = identity.to_pkcs8();
    let key = PrivateKeyDer::Pkcs8(pkcs8.to_vec().into());
    let pair =
        rcgen::KeyPair::from_der_and_sign_algo(&key, &rcgen::PKCS_ED25519).map_err(tls_error)?;
    let params = rcgen::CertificateParams::new(vec![SERVER_NAME.to_owned()]).map_err(tls_error)?;
    let certificate = params.self_signed(&pair).map_err(tls_error)?;
    Ok((certificate.der().clone(), key))
}

/// Accepts the coordinator with one key, or with any Ed25519 key where none is pinned.
#[derive(Debug)]
struct PinnedIdentity {
    pinned: Option<IdentityKey>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedIdentity {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = peer_key(std::slice::from_ref(end_entity));
        if found.is_some_and(|found| self.pinned.is_none_or(|pinned| pinned == found)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Accepts any Ed25519 key whose holder proves to have it.
#[derive(Debug)]
struct AnyIdentity(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyIdentity {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match peer_key(std::slice::from_ref(end_entity)) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;
    use rustls::{ClientConnection, ServerConnection};

    fn identity(byte: u8) -> Identity {
        Identity::from_seed(Secret::from_bytes([byte; 32])).unwrap()
    }

    /// Shakes hands in memory; returns the client key the server saw.
    fn shake_hands(
        client: ClientConfig,
        server: ServerConfig,
    ) -> Result<IdentityKey, rustls::Error> {
        let name = ServerName::try_from(SERVER_NAME).unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name)?;
        let mut server = ServerConnection::new(Arc::new(server))?;
        while client.is_handshaking() || server.is_handshaking() {
            let mut buffer = Vec::new();
            client.write_tls(&mut buffer).unwrap();
            server.read_tls(&mut buffer.as_slice()).unwrap();
            server.process_new_packets()?;
            buffer.clear();
            server.write_tls(&mut buffer).unwrap();
            client.read_tls(&mut buffer.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(peer_key(server.peer_certificates().unwrap()).unwrap())
    }

    #[test]
    fn both_sides_learn_the_key_of_the_other() {
        let (node, coordinator) = (identity(1), identity(2));
        let client = client_config(&node, coordinator.key()).unwrap();
        let seen = shake_hands(client, server_config(&coordinator).unwrap());
        assert_eq!(seen.unwrap(), node.key());
    }

    #[test]
    fn a_coordinator_with_another_key_is_refused() {
        let (node, coordinator, other) = (identity(1), identity(2), identity(3));
        let client = client_config(&node, coordinator.key()).unwrap();
        assert!(shake_hands(client, server_config(&other).unwrap()).is_err());
        let unpinned = client_config_unpinned(&node).unwrap();
        assert!(shake_hands(unpinned, server_config(&other).unwrap()).is_ok());
    }

    #[test]
    fn a_client_without_certificate_is_refused() {
        let coordinator = identity(2);
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let pinned = Some(coordinator.key());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedIdentity { pinned, algorithms }))
            .with_no_client_auth();
        client.alpn_protocols = vec![ALPN.to_vec()];
        assert!(shake_hands(client, server_config(&coordinator).unwrap()).is_err());
    }
}
