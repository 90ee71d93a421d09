//! Enrolling: what a clinic's machine and the centre say to each other, and `epis node enrol` at the clinic.

use std::path::Path;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::authority::Key;
use super::code::Code;
use super::hex::{hex, unhex};
use super::horizon::Horizon;
use super::identity::{Identity, folder, key_file};
use super::line::{Line, LineError};
use super::{private, tls};

/// What a machine asks for: a certificate for its key, by the code of an invitation or, where it has a certificate, anew.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The code as it was given; `None` where a certificate is renewed.
    pub code: Option<String>,
    /// The public key: 64 hexadecimal digits.
    pub key: String,
    /// That who asks has the other half: a signature over the code and the key.
    pub proof: String,
}

/// What the centre answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The node's number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub horizon: Horizon,
    /// What the centre is called.
    pub centre: String,
    /// The fingerprint of the centre's authority, whole.
    pub authority: String,
    /// The certificate.
    pub certificate: String,
    /// From when it is renewed at a contact, in seconds since 1970.
    pub renewed_from: i64,
    /// The key for sticks, 64 hexadecimal digits; empty from a centre that knows of none yet.
    #[serde(default)]
    pub shared: String,
}

impl Asked {
    /// Asks for a certificate for a key.
    pub fn new(code: Option<&Code>, key: &Key) -> Asked {
        let code = code.map(Code::to_string);
        let public = hex(key.public());
        let proof = hex(&key.signed(&claim(code.as_deref(), &public)));
        Asked {
            code,
            key: public,
            proof,
        }
    }

    /// The public key, where who asks has the other half.
    pub fn proven(&self) -> Option<Vec<u8>> {
        let (public, proof) = (unhex(&self.key)?, unhex(&self.proof)?);
        let known = UnparsedPublicKey::new(&ED25519, &public);
        known.verify(&claim(self.code.as_deref(), &self.key), &proof).ok()?;
        Some(public)
    }
}

fn claim(code: Option<&str>, public: &str) -> Vec<u8> {
    format!("epis node enrol\n{}\n{public}", code.unwrap_or_default()).into_bytes()
}

impl Welcome {
    /// The identity that comes of it, of a node that reaches its centre at an address.
    pub fn identity(self, address: &str) -> Identity {
        Identity {
            number: self.number,
            name: self.name,
            horizon: self.horizon,
            centre: self.centre,
            address: address.to_owned(),
            authority: self.authority,
            certificate: self.certificate,
            renewed_from: self.renewed_from,
            shared: self.shared,
        }
    }
}

/// Enrols the data folder at a centre by a code.
///
/// # Errors
/// A sentence where the folder has an identity or data already, the code has a slip, the centre cannot be reached, is
/// another than the code is of, or refuses.
pub fn enrol(data: &str, centre: &str, code: &str) -> Result<Identity, String> {
    if let Some(identity) = Identity::kept(data)? {
        return Err(format!(
            "The data folder {data} is of node {} ({}) already. For a new machine in its place, take an empty folder and a code \
            of epis node invite --replace {}.",
            identity.number, identity.name, identity.number
        ));
    }
    if Path::new(data).join("log.sqlite").exists() {
        return Err(format!(
            "The data folder {data} holds records of a server that is no node: enrol an empty folder."
        ));
    }
    let code: Code = code.parse()?;
    let address = address(centre)?;
    private::folder(&folder(data))?;
    // Kept before it is sent: where the answer is lost on the way, the same command with the same code gets it again.
    let key = Key::kept(&key_file(data))?;
    let mut line = Line::new(&address, tls::to_centre(&code.authority, None)?)?;
    let welcome = ask(&mut line, &Asked::new(Some(&code), &key)).map_err(|e| e.to_string())?;
    let authority = unhex(&welcome.authority).unwrap_or_default();
    if authority.len() != 32 || !authority.starts_with(&code.authority) {
        return Err("The centre gave a fingerprint that is not the code's: tell whoever runs the centre.".to_owned());
    }
    let identity = welcome.identity(&address);
    let (certificate, key) = identity.certified(data)?;
    tls::to_centre(&authority, Some((certificate, key.private())))?;
    identity.keep(data)?;
    Ok(identity)
}

/// Asks the centre for a certificate.
///
/// # Errors
/// [`LineError`] where it cannot be reached, refuses, or answers nonsense.
pub fn ask(line: &mut Line, asked: &Asked) -> Result<Welcome, LineError> {
    let body = serde_json::to_vec(asked).map_err(|e| LineError::Stopped(e.to_string()))?;
    let answer = line.ask("/node/enrol", body)?;
    serde_json::from_slice(&answer).map_err(|e| LineError::Cut(format!("The centre's answer cannot be read: {e}.")))
}

/// The host and port of an address as people write it: `https://host:8444`, or without the scheme.
fn address(centre: &str) -> Result<String, String> {
    let rest = centre.strip_prefix("https://").unwrap_or(centre).trim_end_matches('/');
    let port = rest
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match port {
        Some((host, _)) if !host.is_empty() && !host.contains(['/', '@', ' ']) => Ok(rest.to_owned()),
        _ => Err(format!(
            "{centre:?} is no address of a centre: write it like https://host:8444."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let table = [
            ("https://host:8444", Some("host:8444")),
            ("https://host:8444/", Some("host:8444")),
            ("10.0.0.1:8444", Some("10.0.0.1:8444")),
            ("https://[::1]:8444", Some("[::1]:8444")),
            ("https://host", None),
            ("http://host:8444", None),
            ("host:port", None),
            (":8444", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(address(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn only_who_has_the_key_proves_it() {
        let (key, other) = (Key::new().unwrap(), Key::new().unwrap());
        let code = Code::new(&[1; 32]).unwrap();
        let asked = || Asked::new(Some(&code), &key);
        assert_eq!(asked().proven().as_deref(), Some(key.public()));
        let table = [
            Asked { code: None, ..asked() },
            Asked {
                key: hex(other.public()),
                ..asked()
            },
            Asked {
                proof: String::new(),
                ..asked()
            },
            Asked {
                key: "é".to_owned(),
                ..asked()
            },
        ];
        for asked in table {
            assert_eq!(asked.proven(), None, "{asked:?}");
        }
    }
}
