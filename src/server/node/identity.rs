//! Who this server is: a clinic's node that was enrolled at a centre, or the centre itself.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use super::authority::Key;
use super::hex::unhex;
use super::horizon::Horizon;
use super::private;
use crate::settings::Settings;

/// The folder of the identity, in the data folder.
const FOLDER: &str = "node";

/// What a node knows of itself and of its centre; kept in `node/identity.json` in its data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number, from 1.
    pub number: u32,
    /// What people call it.
    pub name: String,
    /// What it holds.
    pub horizon: Horizon,
    /// What the centre is called.
    pub centre: String,
    /// Where the centre is: a host and a port.
    pub address: String,
    /// The fingerprint of the centre's authority: 64 hexadecimal digits.
    pub authority: String,
    /// The node's certificate, in hexadecimal digits.
    pub certificate: String,
    /// From when it is renewed at a contact, in seconds since 1970 by the centre's clock.
    pub renewed_from: i64,
    /// The key that it shares with its centre, for sticks: 64 hexadecimal digits. Empty where it was enrolled before there were
    /// any; it gets one at its next contact over the line.
    #[serde(default)]
    pub shared: String,
}

/// The folder of a data folder where an identity is kept.
pub fn folder(data: &str) -> PathBuf {
    Path::new(data).join(FOLDER)
}

/// The file with the key of a node.
pub fn key_file(data: &str) -> PathBuf {
    folder(data).join("node.key")
}

impl Identity {
    /// The identity kept in a data folder; `None` where it is of no node.
    ///
    /// # Errors
    /// A sentence where it cannot be read, or others can read it.
    pub fn kept(data: &str) -> Result<Option<Identity>, String> {
        let file = folder(data).join("identity.json");
        let Some(bytes) = private::read(&file)? else {
            return Ok(None);
        };
        let identity = serde_json::from_slice(&bytes);
        identity
            .map(Some)
            .map_err(|e| format!("{} cannot be read: {e}.", file.display()))
    }

    /// Keeps it in a data folder, durably.
    ///
    /// # Errors
    /// A sentence where it cannot be written.
    pub fn keep(&self, data: &str) -> Result<(), String> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|e| e.to_string())?;
        private::folder(&folder(data))?;
        private::write(&folder(data).join("identity.json"), &bytes)
    }

    /// The certificate and the key, as TLS takes them.
    ///
    /// # Errors
    /// A sentence where the key cannot be read, or the identity is damaged.
    pub fn certified(&self, data: &str) -> Result<(CertificateDer<'static>, Key), String> {
        let certificate = unhex(&self.certificate).ok_or("The certificate in node/identity.json is damaged.")?;
        Ok((certificate.into(), Key::kept(&key_file(data))?))
    }

    /// The key for sticks.
    ///
    /// # Errors
    /// A sentence where it has none yet.
    pub fn shared(&self) -> Result<[u8; 32], String> {
        let key = unhex(&self.shared).and_then(|key| <[u8; 32]>::try_from(key).ok());
        key.ok_or_else(|| {
            "This clinic has no key for sticks yet: it gets one at its next contact with the centre over the line."
                .to_owned()
        })
    }

    /// The fingerprint of the centre's authority.
    ///
    /// # Errors
    /// A sentence where the identity is damaged.
    pub fn authority(&self) -> Result<Vec<u8>, String> {
        let print = unhex(&self.authority).filter(|print| print.len() == 32);
        print.ok_or_else(|| "The fingerprint of the centre in node/identity.json is damaged.".to_owned())
    }
}

/// The identity of a server with these settings; `None` for the centre.
///
/// # Errors
/// A sentence where the setting `node` says another number than the data folder, or that this is a node and it is none.
pub fn of(settings: &Settings) -> Result<Option<Identity>, String> {
    let identity = Identity::kept(&settings.data)?;
    match (&identity, settings.node.0) {
        (None, None) => Err(format!(
            "The data folder {} is of no node yet: enrol it first, with epis node enrol and the code that the centre gives.",
            settings.data
        )),
        (Some(found), Some(said)) if said != 0 && said != found.number => Err(format!(
            "The data folder {} is of node {}, but the setting node says {said}: a node's number never changes.",
            settings.data, found.number
        )),
        _ => Ok(identity),
    }
}

/// The number under which the store of a server with these settings is opened; `None` for the one it has.
///
/// # Errors
/// As [`of`].
pub fn number(settings: &Settings) -> Result<Option<u32>, String> {
    let said = settings.node.0.filter(|number| *number > 0);
    Ok(of(settings)?.map_or(said, |identity| Some(identity.number)))
}

/// What is said at /health of a server with these settings whose store is of a number, as a JSON object: its number, and a
/// node's name and centre.
///
/// # Errors
/// As [`of`].
pub fn standing(settings: &Settings, number: u32) -> Result<String, String> {
    let said = match of(settings)? {
        Some(found) => serde_json::json!({"number": number, "name": found.name, "centre": found.centre}),
        None => serde_json::json!({"number": number}),
    };
    Ok(said.to_string())
}
