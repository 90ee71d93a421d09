//! The settings: one declaration, from which the file, the environment, the flags and the help follow.
//!
//! A setting named `body_bytes_max` is `body_bytes_max = "64 MiB"` in the settings file, `EPIS_BODY_BYTES_MAX` in the
//! environment and `--body-bytes-max` on the command line. Flags win over the environment, that over the file.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::value::{Bytes, NodeNumber, Value, Zone, plain};

/// One setting as help and documentation show it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in the file.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
}

impl Field {
    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("EPIS_{}", self.name.to_ascii_uppercase())
    }

    /// Its name on the command line, without the dashes in front.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:expr;)+) => {
        /// Everything that can be set.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings { $($(#[doc = $doc])+ pub $name: $kind,)+ }

        impl Default for Settings {
            fn default() -> Self {
                Settings { $($name: $default,)+ }
            }
        }

        /// Every setting, in the order of the documentation.
        pub const FIELDS: &[Field] = &[$(Field { name: stringify!($name), help: concat!($($doc, "\n"),+) },)+];

        impl Settings {
            /// Sets one setting from text.
            ///
            /// # Errors
            /// The end of a sentence that starts with the setting's name.
            pub fn put(&mut self, name: &str, text: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => self.$name = <$kind as Value>::read(text)?,)+
                    _ => return Err("is no setting; `epis settings` lists them all".to_owned()),
                }
                Ok(())
            }

            /// The value of a setting as the file would say it; nothing for an unknown name.
            pub fn show(&self, name: &str) -> String {
                match name {
                    $(stringify!($name) => self.$name.write(),)+
                    _ => String::new(),
                }
            }
        }
    };
}

settings! {
    /// The folder that holds everything this server stores: records, index, journals.
    data: String = "data/epis".to_owned();
    /// The address and port to listen on. Only loopback addresses are accepted until TLS and access exist.
    listen: String = "127.0.0.1:8080".to_owned();
    /// A PostgreSQL address, postgres://user:password@host/database; empty for the embedded store in the data folder.
    store: String = String::new();
    /// How large the embedded store may grow; beyond it writes are refused as on a full disk. 0 for no limit.
    store_bytes_max: Bytes = Bytes(0);
    /// The address that links start with, as callers see it, ending in /fhir; empty to take it from each request's Host.
    base_url: String = String::new();
    /// The time zone of dates that name none.
    zone: Zone = Zone(360);
    /// The number of this node: 0 is the national centre; every clinic has its own, which it gets when it is enrolled
    /// (`epis node enrol`) and which is found in its data folder. Data that are there keep their number, and are not opened
    /// under another one; 0 opens them under the one they have. `--node` without a number, or enrolled: that of the data
    /// folder, which must have been enrolled.
    node: NodeNumber = NodeNumber(Some(0));
    /// Where clinic nodes come in to this centre, over TLS with certificates of its own, like 0.0.0.0:8444; empty for no
    /// nodes. It may be any address: who is no node is not answered.
    node_listen: String = String::new();
    /// Days for which this centre takes in a node that is not in contact, by line or stick; then somebody has to say that its
    /// machine is in good hands, with epis node renew. 0 for no end.
    node_lease_days: u64 = 180;
    /// Seconds between a node's contacts with its centre, at least 1.
    contact_seconds: u64 = 60;
    /// What a centre sends its nodes of everybody in the country, so that people are found at clinics whose records are not
    /// there: readable, a few particulars; hidden, keyed hashes of them; off, nothing. At a node, off has nothing fetched.
    person_index: String = "readable".to_owned();
    /// The file with the secret by which those particulars are hidden, at least 16 bytes, not in the data folder: at the
    /// centre to hide them, at a node to find by them. Empty for none.
    person_index_secret: String = String::new();
    /// Seconds after which the centre gathers who changed for its nodes.
    person_index_seconds: u64 = 21_600;
    /// What this centre is called by its nodes.
    centre_name: String = "National centre".to_owned();
    /// Identifier systems whose values no two records may share.
    unique_identifiers: Vec<String> = vec!["http://id.gov.bt/citizen".to_owned()];
    /// What is done about records that have the structure of their type but break other rules: off, nothing; warn, refuse
    /// codes outside required bindings, and tell of the rest by Prefer: return=OperationOutcome; reject, refuse them;
    /// exact, refuse also displays that their code systems do not have. Of one kind as in "Patient=reject".
    validate: Vec<String> = vec!["warn".to_owned()];
    /// What is done when a patient is registered who may be registered already: off, nothing; warn, tell whoever asks by
    /// Prefer: return=OperationOutcome; refuse, answer 409 with those it may be, unless Prefer: handling=lenient. Who is
    /// registered all the same is put on the worklist.
    duplicates: String = "warn".to_owned();
    /// What a centre does about patients whom clinics registered and who may be people it knows: off, nothing; queue, put
    /// them on the worklist of duplicates; link, merge who is certainly one other, and queue the rest.
    newcomers: String = "link".to_owned();
    /// Who may say here that two records are one person, take that back, or keep them apart: nobody, as at a clinic that
    /// leaves it to the centre (a centre with nobody links no newcomers either); named, whoever gives agent and reason;
    /// anybody, whoever may ask at all.
    merging: String = "anybody".to_owned();
    /// The folder with tables of your own by which texts are broken into words (names.tsv, synonyms.tsv, words.tsv,
    /// elements.tsv); empty for the folder analyzers in the data folder. Changes are heard of while the server runs.
    analyzers: String = String::new();
    /// Threads that speak HTTP; 0 for one per processor.
    workers: usize = 0;
    /// Connections open at once, on each worker.
    connections_max: usize = 1024;
    /// Requests being answered at once; one more is refused with 503.
    requests_max: usize = 256;
    /// Seconds a client has to send a request's first line and headers.
    request_seconds: u64 = 10;
    /// Seconds a client has to send a request's body.
    body_seconds: u64 = 120;
    /// Seconds an idle connection is kept.
    keep_alive_seconds: u64 = 75;
    /// Seconds that requests under way have to end when the server is told to stop.
    shutdown_seconds: u64 = 30;
    /// The headers of a request, together; at most 128 KiB.
    header_bytes_max: Bytes = Bytes(32 << 10);
    /// The address of a request, with its query, and the form of a POST to _search.
    query_bytes_max: Bytes = Bytes(16 << 10);
    /// The body of a request about one record, unpacked.
    body_bytes_max: Bytes = Bytes(16 << 20);
    /// The body of a request that brings a bundle, unpacked.
    bundle_bytes_max: Bytes = Bytes(128 << 20);
    /// The bodies of all requests under way, together.
    bodies_bytes_max: Bytes = Bytes(512 << 20);
    /// How deep the JSON of a body may nest.
    json_depth_max: usize = 64;
    /// The entries of a batch or a transaction.
    bundle_entries_max: usize = 20_000;
    /// The entries of a page, where the caller does not say.
    page_size: usize = 20;
    /// The entries of a page, where the caller asks for more.
    page_size_max: usize = 1000;
    /// The codes of an expansion that is not asked for page by page; a page may have ten times as many.
    expansion_codes_max: usize = 1000;
    /// The records that _include and _revinclude may add to a page.
    includes_max: usize = 2000;
    /// The rounds that _include:iterate may go.
    include_rounds_max: usize = 8;
    /// The records that one conditional delete may remove.
    conditional_delete_max: usize = 1;
    /// How often a conditional request starts again when others change what it depends on.
    attempts_max: u32 = 100;
    /// Milliseconds one search may take.
    search_ms: u64 = 30_000;
    /// Steps one search may take: documents visited, tests asked, terms read, records joined; beyond, it is stopped with 422.
    search_steps_max: u64 = 100_000_000;
    /// Searches that may run for longer than a moment at once; 0 for one for every second processor.
    long_searches: usize = 0;
    /// Searches that may wait to be one of those; one more is refused with 503.
    long_searches_waiting_max: usize = 32;
    /// The table that a view is run into within a batch; one asked for alone is sent while it is made.
    table_bytes_max: Bytes = Bytes(64 << 20);
    /// Writes that may wait for their turn; one more is refused with 503.
    queue_max: usize = 1024;
    /// Writes that are made durable together, at most.
    group_max: usize = 1024;
    /// Connections to the store that read.
    readers: usize = 4;
    /// Memory for records kept at hand; 0 for 32 MiB, at a node 8 MiB.
    cache_bytes: Bytes = Bytes(0);
    /// Memory for the database's own cache; 0 for 32 MiB, at a node 16 MiB.
    database_cache_bytes: Bytes = Bytes(0);
    /// Memory the index may use while it takes up new records; 0 for 32 MiB, at a node 15 MiB, the least.
    index_bytes: Bytes = Bytes(0);
    /// Versions that may wait in memory to be committed to the index, some kilobytes each; 0 for 16384, at a node 4096.
    index_waiting_max: usize = 0;
    /// Memory for what is laid out to sort and to count by; 0 for 256 MiB, at a node 16 MiB. Where it is not enough, both take
    /// longer.
    order_bytes: Bytes = Bytes(0);
    /// How much of its time a new index being built may work while requests come in, in percent; idle time is always used.
    index_build_percent: u32 = 50;
    /// How many records of the index the patrol compares with the log in a second; 0 for no patrol.
    patrol_records: u32 = 200;
    /// What to log, never with ids or queries: requests, one line each; failures, those that failed by a fault of the
    /// server's; none. How the index comes on and how a node's contacts go is said too, unless it is none.
    log: String = "failures".to_owned();
    /// Whether answers are compressed for callers that accept it.
    compress: bool = true;
}

impl Settings {
    /// Gathers the settings: flags over environment over file over defaults. The file is the one named,
    /// which must exist, or `epis.toml` in the data folder, which may.
    ///
    /// # Errors
    /// A sentence that names the flag, the variable, or the file and the line.
    pub fn gather(
        file: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<String>,
        flags: &[(&str, String)],
    ) -> Result<Settings, String> {
        let variable = |field: &Field| Some((field.name, environment(&field.variable())?, field.variable()));
        let mut above: Vec<(&str, String, String)> = FIELDS.iter().filter_map(variable).collect();
        for (name, text) in flags {
            above.push((name, text.clone(), format!("--{}", name.replace('_', "-"))));
        }
        let mut settings = Settings::default();
        let data = above.iter().rev().find(|(name, ..)| *name == "data");
        let usual = PathBuf::from(data.map_or(&settings.data, |(_, text, _)| text)).join("epis.toml");
        if let Some(file) = file.or(usual.exists().then_some(&usual)) {
            let text = std::fs::read_to_string(file)
                .map_err(|e| format!("The settings file {} cannot be read: {e}.", file.display()))?;
            settings.put_file(&text, &file.display().to_string())?;
        }
        for (name, text, place) in &above {
            settings.put(name, text).map_err(|e| format!("{place} {e}."))?;
        }
        Ok(settings)
    }

    fn put_file(&mut self, text: &str, file: &str) -> Result<(), String> {
        let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let table = DeTable::parse(text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start);
            format!("{file}, line {}: {}.", line(at), e.message())
        })?;
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let name = key.get_ref();
            plain(value.get_ref())
                .and_then(|text| self.put(name, &text))
                .map_err(|e| format!("{file}, line {}: `{name}` {e}.", line(key.span().start)))?;
        }
        Ok(())
    }
}
