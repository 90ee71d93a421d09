//! The centre's own certificate authority: who has a certificate of it is a node of this centre, and nobody else is.
//!
//! All that is kept is its key. Its certificate is made from the key at every start, and so is the centre's own, which
//! the clinics judge by the key that signed it.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SerialNumber, SigningKey, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use super::private;

/// The name in every certificate of a centre: the clinics check the authority's key, whatever the centre's address is.
pub const CENTRE_NAME: &str = "centre.epis.invalid";
/// How long a node's certificate holds, in seconds: six years. It is renewed when a third of that is left, so a clinic may be
/// without the line for two years.
pub const NODE_SECONDS: i64 = 6 * 365 * 86_400;
/// A node's certificate holds from a day before it was signed, in seconds: the centre's clock may be put back.
const BEFORE_SECONDS: i64 = 86_400;
/// The authority's name; it is in every certificate of every node and never changes.
const NAME: &str = "epis nodes";

/// A key pair of Ed25519 that signs certificates.
pub struct Key {
    pair: Ed25519KeyPair,
    /// The pair as PKCS #8 (RFC 5958).
    pkcs8: Vec<u8>,
}

impl Key {
    /// The key in a file, which is made where it is missing.
    ///
    /// # Errors
    /// A sentence where the file cannot be read or written, others can read it, or it is no key.
    pub fn kept(file: &Path) -> Result<Key, String> {
        if let Some(pkcs8) = private::read(file)? {
            return Key::read(pkcs8).ok_or_else(|| format!("{} is no key: it is damaged.", file.display()));
        }
        let key = Key::new()?;
        private::write(file, &key.pkcs8)?;
        Ok(key)
    }

    /// A new key.
    ///
    /// # Errors
    /// A sentence where the machine gives no random bytes.
    pub fn new() -> Result<Key, String> {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok();
        let key = made.and_then(|pkcs8| Key::read(pkcs8.as_ref().to_vec()));
        key.ok_or_else(|| "This machine gives no random bytes.".to_owned())
    }

    /// A key that is the same in every run: that of RFC 8032, 7.1, test 1, as RFC 5958 writes it.
    #[cfg(test)]
    pub fn same() -> Key {
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let pkcs8 = format!("3051020101300506032b657004220420{seed}812100{public}");
        Key::read(super::hex::unhex(&pkcs8).unwrap()).unwrap()
    }

    fn read(pkcs8: Vec<u8>) -> Option<Key> {
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).ok()?;
        Some(Key { pair, pkcs8 })
    }

    /// The public half: 32 bytes.
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// A signature of 64 bytes.
    pub fn signed(&self, text: &[u8]) -> Vec<u8> {
        self.pair.sign(text).as_ref().to_vec()
    }

    /// 32 bytes that only who has the key can make of a purpose (HKDF with SHA-256, RFC 5869): a key for something else.
    pub fn derived(&self, purpose: &[&[u8]]) -> [u8; 32] {
        let made = Salt::new(HKDF_SHA256, b"epis").extract(&self.pkcs8);
        let mut bytes = [0; 32];
        let filled = made.expand(purpose, HKDF_SHA256).and_then(|made| made.fill(&mut bytes));
        filled.expect("32 bytes are one block");
        bytes
    }

    /// The key as TLS takes it.
    pub fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.clone()))
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.public()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl SigningKey for Key {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.signed(text))
    }
}

/// The public key of a node, of which nobody else has the other half.
struct Public<'a>(&'a [u8]);

impl PublicKeyData for Public<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

/// The public key in a certificate's description of it (RFC 8410: SubjectPublicKeyInfo of Ed25519); `None` for another kind.
pub fn public_key(described: &[u8]) -> Option<&[u8]> {
    const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    described.strip_prefix(&ED25519).filter(|key| key.len() == 32)
}

/// The fingerprint of a public key.
pub fn fingerprint(public: &[u8]) -> [u8; 32] {
    let mut print = [0; 32];
    print.copy_from_slice(digest(&SHA256, public).as_ref());
    print
}

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, Key>,
    /// Its own certificate.
    pub certificate: CertificateDer<'static>,
}

impl Authority {
    /// The authority kept in a folder, or a new one.
    ///
    /// # Errors
    /// A sentence where its key cannot be read, is readable by others, or cannot be made.
    pub fn open(folder: &Path) -> Result<Authority, String> {
        private::folder(folder)?;
        let key = Key::kept(&folder.join("authority.key"))?;
        let mut own = params(NAME, (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1)))?;
        own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        own.key_identifier_method = KeyIdMethod::PreSpecified(fingerprint(key.public())[..20].to_vec());
        let certificate = own.self_signed(&key).map_err(unsigned)?.into();
        Ok(Authority {
            issuer: Issuer::new(own, key),
            certificate,
        })
    }

    /// The fingerprint that invitations carry and nodes keep.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(self.key().public())
    }

    /// The authority's own key.
    pub fn key(&self) -> &Key {
        self.issuer.key()
    }

    /// The key that the centre and the node of a public key share, for what is carried between them on sticks. It is nowhere
    /// kept at the centre: whoever has the authority's key can make it, for every node that ever was.
    pub fn shared(&self, public: &[u8]) -> [u8; 32] {
        self.key().derived(&[b"stick", public])
    }

    /// A certificate for the centre itself, with its key.
    ///
    /// # Errors
    /// A sentence where the machine gives no random bytes.
    pub fn centre(&self) -> Result<(CertificateDer<'static>, Key), String> {
        let key = Key::new()?;
        let mut params = params(CENTRE_NAME, (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1)))?;
        params.subject_alt_names = vec![rcgen::SanType::DnsName(CENTRE_NAME.try_into().map_err(unsigned)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.issuer).map_err(unsigned)?;
        Ok((certificate.into(), key))
    }

    /// A certificate for the node of a number, from a moment in seconds since 1970.
    ///
    /// # Errors
    /// A sentence where the moment is out of the calendar, or the machine gives no random bytes.
    pub fn node(&self, number: u32, public: &[u8], now: i64) -> Result<CertificateDer<'static>, String> {
        let day = |seconds| {
            OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| "The clock of this machine is wrong.".to_owned())
        };
        let from_until = (day(now - BEFORE_SECONDS)?, day(now + NODE_SECONDS)?);
        let mut params = params(&format!("node {number}"), from_until)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&Public(public), &self.issuer).map_err(unsigned)?;
        Ok(certificate.into())
    }
}

fn params(name: &str, (from, until): (OffsetDateTime, OffsetDateTime)) -> Result<CertificateParams, String> {
    let mut serial = [0; 8];
    let filled = SystemRandom::new().fill(&mut serial);
    filled.map_err(|_| "This machine gives no random bytes.".to_owned())?;
    // Positive, and as long as it looks (RFC 5280, 4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    (params.not_before, params.not_after) = (from, until);
    params.key_identifier_method = KeyIdMethod::PreSpecified(Vec::new());
    Ok(params)
}

fn unsigned(trouble: rcgen::Error) -> String {
    format!("A certificate cannot be made: {trouble}.")
}
