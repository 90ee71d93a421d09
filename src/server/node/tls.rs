//! How nodes and the centre know each other: TLS 1.3, both with a certificate of the centre's authority.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore, ServerConfig,
    SignatureScheme, version,
};

use super::authority::{Authority, CENTRE_NAME, fingerprint, public_key};

/// Sessions that can be taken up again: four for each of a thousand nodes.
const SESSIONS_MAX: usize = 4096;
/// Bytes of what is said in one record of TLS. A record that does not come whole is nothing: with the 16 KiB that TLS allows, a
/// line that is cut every few kilobytes would never bring anything. So small they take 2 % more.
const RECORD_BYTES: usize = 1_024;
/// When the centre's certificate is judged, in seconds since 1970: a fixed day within what it holds for. A clinic's clock
/// may be years wrong after a power cut, and must not keep the clinic from the centre; who has the authority's key could
/// make certificates of any date.
const JUDGED_AT: u64 = 1_767_225_600;

/// What is spoken: one exchange of keys, one kind of signature, hashes of 256 bits. Nothing else would ever be agreed upon,
/// and what is not offered is not sent.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![
        ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    provider.kx_groups = vec![ring::kx_group::X25519];
    let known = &mut provider.signature_verification_algorithms;
    let ours = known
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == SignatureScheme::ED25519);
    if let Some(ours) = ours {
        (known.all, known.mapping) = (ours.1, std::slice::from_ref(ours));
    }
    provider
}

/// How the centre listens: a client may have no certificate, as before it is enrolled, but none of another authority.
///
/// # Errors
/// A sentence where no key can be made.
pub fn of_centre(authority: &Authority) -> Result<ServerConfig, String> {
    let provider = Arc::new(provider());
    let (certificate, key) = authority.centre()?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).map_err(|e| e.to_string())?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(|e| e.to_string())?;
    let chain = vec![certificate, authority.certificate.clone()];
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .and_then(|config| {
            config
                .with_client_cert_verifier(clients)
                .with_single_cert(chain, key.private())
        })
        .map_err(|e| e.to_string())?;
    // A session is kept here rather than in the ticket, which the node would send with its certificate in it each time.
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
    config.send_tls13_tickets = 1;
    config.max_fragment_size = Some(RECORD_BYTES);
    Ok(config)
}

/// How a clinic calls the centre whose authority's fingerprint begins like this, with its certificate where it has one.
///
/// # Errors
/// A sentence where the certificate is not of the key.
pub fn to_centre(
    authority: &[u8],
    own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(provider());
    let pinned = Pinned {
        authority: authority.to_vec(),
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned));
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => config
            .with_client_auth_cert(vec![certificate], key)
            .map_err(|e| e.to_string())?,
    };
    config.resumption = Resumption::in_memory_sessions(4);
    config.enable_sni = false;
    config.max_fragment_size = Some(RECORD_BYTES);
    Ok(config)
}

/// The name a clinic checks in the centre's certificate, whatever address it calls.
pub fn centre_name() -> ServerName<'static> {
    ServerName::try_from(CENTRE_NAME).expect("a name of the domain system")
}

/// The public key of an Ed25519 certificate that TLS has checked.
pub fn key_of(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let described = ParsedCertificate::try_from(certificate).ok()?.subject_public_key_info();
    public_key(&described).map(<[u8]>::to_vec)
}

/// Takes a certificate where the authority whose key has a fingerprint signed it for the centre.
#[derive(Debug)]
struct Pinned {
    /// The fingerprint, or how it begins.
    authority: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn is_authority(&self, certificate: &CertificateDer<'_>) -> bool {
        let print = key_of(certificate).map(|key| fingerprint(&key));
        !self.authority.is_empty() && print.is_some_and(|print| print.starts_with(&self.authority))
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authority = chain.iter().find(|certificate| self.is_authority(certificate));
        let mut roots = RootCertStore::empty();
        roots.add(authority.ok_or(CertificateError::UnknownIssuer)?.clone().into_owned())?;
        let certificate = ParsedCertificate::try_from(certificate)?;
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(JUDGED_AT));
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &roots, &[], at, algorithms)?;
        verify_server_name(&certificate, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
