//! A server of its own for a test: a child process on an embedded store or on PostgreSQL.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use conformance::Definitions;
use serde_json::Value;
use store::Place;
use store::testing::Fresh;

/// The two engines every test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The embedded store.
    Sqlite,
    /// A PostgreSQL database, new for this test.
    Postgres,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A store and the server on it; both go when this is dropped.
pub struct World {
    folder: PathBuf,
    fresh: Option<Fresh>,
    child: Option<Child>,
    extra: Vec<String>,
    /// Whether the folder is somebody's who keeps it.
    is_lent: bool,
    /// The address up to and with `/fhir`.
    pub base: String,
    agent: ureq::Agent,
}

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The body as JSON, also where it came as XML; null where it is neither.
    pub fn json(&self) -> Value {
        if self.header("content-type").is_some_and(|media| media.contains("xml")) {
            let json = xml::read(&Definitions::r4(), self.body.as_bytes(), xml::Limits::default());
            return json.map_or(Value::Null, |json| serde_json::from_slice(&json).unwrap_or(Value::Null));
        }
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The same answer, where its status is the one expected.
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// The ids of the entries of a bundle with the given search mode.
    pub fn ids(&self, mode: &str) -> Vec<String> {
        let json = self.json();
        let entries = json["entry"].as_array().cloned().unwrap_or_default();
        let of_mode = entries
            .iter()
            .filter(|e| e["search"]["mode"] == mode || (e["search"].is_null() && mode == "match"));
        of_mode
            .filter_map(|e| e["resource"]["id"].as_str().map(str::to_owned))
            .collect()
    }

    /// The address of a bundle's link.
    pub fn link(&self, relation: &str) -> Option<String> {
        let json = self.json();
        let links = json["link"].as_array()?;
        links.iter().find(|l| l["relation"] == relation)?["url"]
            .as_str()
            .map(str::to_owned)
    }
}

/// The program under test, next to the test's own binary.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a running test has a path");
    let found = own
        .ancestors()
        .map(|folder| folder.join("epis"))
        .find(|file| file.is_file());
    found.expect("the epis binary is built first: run the tests with tests/run")
}

impl World {
    /// A new, empty server.
    pub fn new(engine: Engine) -> World {
        World::with(engine, &[])
    }

    /// A new, empty server with further arguments of `epis serve`.
    pub fn with(engine: Engine, arguments: &[&str]) -> World {
        World::at(engine, &std::env::temp_dir(), arguments)
    }

    /// A new, empty server with its store in a folder made in `place`.
    pub fn at(engine: Engine, place: &Path, arguments: &[&str]) -> World {
        let name = format!(
            "epis_world_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = place.join(&name);
        std::fs::create_dir_all(&folder).expect("the folder can be written");
        let fresh = (engine == Engine::Postgres).then(Fresh::postgres);
        World::begun(folder, fresh, false, arguments)
    }

    /// A server on the embedded store in a folder that is there, and stays.
    pub fn lent(folder: &Path, arguments: &[&str]) -> World {
        World::begun(folder.to_owned(), None, true, arguments)
    }

    fn begun(folder: PathBuf, fresh: Option<Fresh>, is_lent: bool, arguments: &[&str]) -> World {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .http_status_as_error(false)
                .allow_non_standard_methods(true)
                .timeout_global(Some(Duration::from_secs(120)))
                .build(),
        );
        let extra = arguments.iter().map(|a| (*a).to_owned()).collect();
        let mut world = World {
            folder,
            fresh,
            child: None,
            extra,
            is_lent,
            base: String::new(),
            agent,
        };
        world.start();
        world
    }

    /// The further arguments of the next start.
    pub fn set_arguments(&mut self, arguments: &[&str]) {
        self.extra = arguments.iter().map(|a| (*a).to_owned()).collect();
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes of the database, where it is PostgreSQL.
    pub fn database_bytes(&self) -> u64 {
        self.fresh.as_ref().map_or(0, Fresh::database_bytes)
    }

    /// A command of the program on this world's store, like `check` or `sync status`.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(words.split(' ')).arg("--data").arg(&self.folder);
        if let Some(Place::Postgres(url)) = self.fresh.as_ref().map(|fresh| &fresh.place) {
            command.arg("--store").arg(url);
        }
        command
    }

    /// Starts the server and waits until it says where it listens.
    pub fn start(&mut self) {
        let mut command = self.command("serve");
        command.args(["--listen", "127.0.0.1:0"]).args(&self.extra);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("epis starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            if lines.read_line(&mut line).expect("epis writes text") == 0 {
                let mut trouble = String::new();
                let _ = child.stderr.take().expect("piped").read_to_string(&mut trouble);
                panic!("epis serve ended: {trouble}");
            }
        }
        let address = line[line.find("http://").expect("just seen")..]
            .split_whitespace()
            .next()
            .expect("an address");
        self.base = format!(
            "{}/fhir",
            address.trim_end_matches(['/', '.']).trim_end_matches("/fhir")
        );
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let mut errors = child.stderr.take().expect("piped");
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        self.child = Some(child);
    }

    /// Ends the server without warning, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Tells the server to stop, and waits until it has, in good order.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let told = Command::new("kill").arg(child.id().to_string()).status();
            assert!(told.expect("kill runs").success(), "the server runs");
            let ended = child.wait().expect("it ends");
            assert!(ended.success(), "epis serve ended with {ended}");
        }
    }

    /// The server's process, while it runs.
    pub fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Sends a request; a path without a host is relative to `/fhir`.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// Sends a request to a server that may be gone.
    ///
    /// # Errors
    /// The client's words where there was no answer.
    pub fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, String> {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}/{path}", self.base)
        };
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(url.trim_end_matches('/'));
        if !body.is_empty() && !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type")) {
            request = request.header("Content-Type", "application/fhir+json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|e| e.to_string())?;
        let mut answer = self.agent.run(request).map_err(|e| e.to_string())?;
        let headers = answer.headers().iter();
        let headers = headers
            .map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()))
            .collect();
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(1 << 30)
            .read_to_vec()
            .map_err(|e| e.to_string())?;
        let body = String::from_utf8(bytes).map_err(|e| e.to_string())?;
        Ok(Answer {
            status: answer.status().as_u16(),
            headers,
            body,
        })
    }

    /// Reads.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    /// Posts a record or a bundle.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body.as_bytes())
    }

    /// Puts a record.
    pub fn put(&self, path: &str, body: &str) -> Answer {
        self.send("PUT", path, &[], body.as_bytes())
    }

    /// Runs `epis check` on the stopped store; its words where it found something.
    ///
    /// # Errors
    /// What the command wrote, where it did not end well.
    pub fn check(&self) -> Result<(), String> {
        let output = self.command("check").output().expect("epis starts");
        let words = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.success() { Ok(()) } else { Err(words) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
        if !self.is_lent {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Waits until something holds, at most a minute.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{what} did not happen within a minute"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
