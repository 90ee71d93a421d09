//! Packs bodies with trained dictionaries and unpacks them.
//!
//! A packed body is a zstd frame without its four magic bytes, which are always the same. A body that
//! does not shrink is kept as it is, under number 0. Contexts are kept for the next caller, at most
//! [`CONTEXTS_MAX`] of each, so that a hundred threads do not each hold one.

use std::sync::{Mutex, OnceLock};

use rustc_hash::FxHashMap;
use zstd::zstd_safe::{CCtx, CDict, DCtx, DDict, compress_bound};

use crate::trouble::Trouble;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const LEVEL: i32 = 3;
const CONTEXTS_MAX: usize = 8;
/// The largest body: as the largest JSON text that is read.
const BODY_MAX: u64 = 1 << 31;

/// A packed body and the number of the dictionary it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Packed {
    pub dictionary: i32,
    pub bytes: Vec<u8>,
}

struct Dictionary {
    bytes: Vec<u8>,
    packing: OnceLock<CDict<'static>>,
    unpacking: OnceLock<DDict<'static>>,
}

/// All dictionaries of one log, ready for use.
pub(crate) struct Packer {
    dictionaries: FxHashMap<i32, Dictionary>,
    of_kind: FxHashMap<String, i32>,
    packing: Mutex<Vec<CCtx<'static>>>,
    unpacking: Mutex<Vec<DCtx<'static>>>,
}

impl Packer {
    /// Takes the dictionaries of a log: (number, kind or empty, bytes), ascending by number.
    pub fn new(dictionaries: Vec<(i32, String, Vec<u8>)>) -> Packer {
        let mut packer = Packer {
            dictionaries: FxHashMap::default(),
            of_kind: FxHashMap::default(),
            packing: Mutex::new(Vec::new()),
            unpacking: Mutex::new(Vec::new()),
        };
        for (number, kind, bytes) in dictionaries {
            packer.of_kind.insert(kind, number);
            let dictionary = Dictionary {
                bytes,
                packing: OnceLock::new(),
                unpacking: OnceLock::new(),
            };
            packer.dictionaries.insert(number, dictionary);
        }
        packer
    }

    /// Packs a body of a kind.
    pub fn pack(&self, kind: &str, body: &[u8]) -> Packed {
        if body.is_empty() {
            return Packed::default();
        }
        let number = self.of_kind.get(kind).or_else(|| self.of_kind.get(""));
        let shrunk = number.and_then(|number| Some((*number, self.shrink(*number, body)?)));
        match shrunk {
            Some((dictionary, bytes)) if bytes.len() < body.len() => Packed { dictionary, bytes },
            _ => Packed {
                dictionary: 0,
                bytes: body.to_vec(),
            },
        }
    }

    fn shrink(&self, number: i32, body: &[u8]) -> Option<Vec<u8>> {
        let dictionary = self.dictionaries.get(&number)?;
        let prepared = dictionary
            .packing
            .get_or_init(|| CDict::create(&dictionary.bytes, LEVEL));
        let mut context = take(&self.packing).unwrap_or_else(CCtx::create);
        let mut frame = Vec::with_capacity(compress_bound(body.len()));
        let done = context.compress_using_cdict(&mut frame, body, prepared);
        give_back(&self.packing, context);
        done.ok()?;
        frame.strip_prefix(&MAGIC).map(<[u8]>::to_vec)
    }

    /// Unpacks a body.
    ///
    /// # Errors
    /// [`Trouble`] where the dictionary is unknown or the bytes are no packed body.
    pub fn unpack(&self, number: i32, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
        if number == 0 {
            return Ok(bytes.to_vec());
        }
        let dictionary = self
            .dictionaries
            .get(&number)
            .ok_or_else(|| Trouble::new(format!("A body needs dictionary {number}, which is missing.")))?;
        let prepared = dictionary.unpacking.get_or_init(|| DDict::create(&dictionary.bytes));
        let mut frame = Vec::with_capacity(bytes.len() + MAGIC.len());
        frame.extend_from_slice(&MAGIC);
        frame.extend_from_slice(bytes);
        let size = zstd::zstd_safe::get_frame_content_size(&frame).ok().flatten();
        let size = size
            .filter(|size| *size <= BODY_MAX)
            .ok_or_else(|| Trouble::new("A packed body is damaged: it does not say its size."))?;
        let mut body = Vec::with_capacity(size as usize);
        let mut context = take(&self.unpacking).unwrap_or_else(DCtx::create);
        let done = context.decompress_using_ddict(&mut body, &frame, prepared);
        give_back(&self.unpacking, context);
        match done {
            Ok(_) => Ok(body),
            Err(code) => Err(Trouble::new(format!(
                "A packed body is damaged: {}.",
                zstd::zstd_safe::get_error_name(code)
            ))),
        }
    }
}

fn take<T>(contexts: &Mutex<Vec<T>>) -> Option<T> {
    contexts.lock().ok()?.pop()
}

fn give_back<T>(contexts: &Mutex<Vec<T>>, context: T) {
    if let Ok(mut kept) = contexts.lock()
        && kept.len() < CONTEXTS_MAX
    {
        kept.push(context);
    }
}
