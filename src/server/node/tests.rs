//! Nodes and a centre over real sockets on loopback.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use actix_server::ServerHandle;
use interaction::Generations;
use interaction::engine::now;

use super::authority::{Authority, Key};
use super::contact::{Answerer, Refused};
use super::enrol::{self, enrol};
use super::gate::{self, Gate};
use super::horizon::{Horizon, Moved};
use super::identity::{Identity, key_file};
use super::line::{Line, LineError};
use super::register::{Guest, Register};
use super::{
    Centre, Desk, Host, Office, Order, Orders, Settings, at_centre, carrier, code, identity, kept, orders, tls, tries,
};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("epis-node-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Folder(folder)
    }

    fn data(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A centre that answers contacts in its own way.
struct Running {
    address: String,
    register: Arc<Register>,
    generations: Arc<Generations>,
    fingerprint: [u8; 32],
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
    _folder: Folder,
}

impl Running {
    fn new(answerer: Answerer) -> Running {
        let folder = Folder::new();
        let settings = Settings {
            data: folder.data().to_owned(),
            ..Settings::default()
        };
        let generations = crate::engine::open(&settings, false).unwrap();
        let listener = gate::bind("127.0.0.1:0").unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let nodes = orders::folder(folder.data());
        let authority = Authority::open(&nodes).unwrap();
        let fingerprint = authority.fingerprint();
        let register = Arc::new(Register::open(Box::new(kept::Kept(Arc::clone(&generations)))).unwrap());
        let gate = Gate {
            carrier: carrier::Carrier::open(&settings).unwrap(),
            authority,
            register: Arc::clone(&register),
            name: "Centre".to_owned(),
            generations: Arc::clone(&generations),
            answerer,
            tries: tries::Tries::default(),
            searches: at_centre::places(),
        };
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = gate::server(listener, gate).unwrap();
                tell.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Running {
            address,
            register,
            generations,
            fingerprint,
            handle: told.recv().unwrap(),
            thread: Some(thread),
            _folder: folder,
        }
    }

    fn invite(&self, guest: Guest) -> String {
        self.register
            .invite(guest, &self.fingerprint, now())
            .unwrap()
            .0
            .to_string()
    }

    /// A node of this centre, and its data folder.
    fn node(&self) -> (Folder, Identity) {
        let folder = Folder::new();
        let identity = enrol(folder.data(), &self.address, &self.invite(clinic())).unwrap();
        (folder, identity)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn clinic() -> Guest {
    let horizon = Horizon::read(&["0401".to_owned()], "5y", None).unwrap();
    Guest::New("Gasa BHU-I".to_owned(), horizon)
}

/// Sends back each piece as it comes, and keeps it; says whether it came to the end.
fn echo(heard: &Arc<Mutex<(Vec<u8>, Option<bool>)>>) -> Answerer {
    let heard = Arc::clone(heard);
    Arc::new(move |_, mut incoming, outgoing| {
        let heard = Arc::clone(&heard);
        Box::pin(async move {
            loop {
                let piece = incoming.next().await;
                let Ok(Some(piece)) = piece else {
                    heard.lock().unwrap().1 = Some(piece.is_ok());
                    return Ok(());
                };
                heard.lock().unwrap().0.extend_from_slice(&piece);
                let _ = outgoing.send(piece).await;
            }
        })
    })
}

fn silent() -> Answerer {
    Arc::new(|_, _, _| Box::pin(async { Ok(()) }))
}

/// Sends pieces and returns what came back.
fn exchanged(line: &mut Line, pieces: &[&[u8]]) -> Result<Vec<u8>, LineError> {
    let mut back = Vec::new();
    let pieces = pieces.iter().map(|piece| piece.to_vec());
    line.exchange(pieces, &mut |piece| {
        back.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(back)
}

#[test]
fn a_machine_is_enrolled_once() {
    let centre = Running::new(silent());
    let folder = Folder::new();
    let code = centre.invite(clinic());
    let identity = enrol(folder.data(), &centre.address, &code).unwrap();
    assert_eq!(
        (identity.number, identity.name.as_str(), identity.centre.as_str()),
        (1, "Gasa BHU-I", "Centre")
    );
    assert_eq!(identity.horizon.gewogs, ["BT0401"]);
    assert_eq!(Identity::kept(folder.data()).unwrap().unwrap(), identity);
    let other = Folder::new();
    let with_data = Folder::new();
    std::fs::create_dir_all(&with_data.0).unwrap();
    std::fs::write(with_data.0.join("log.sqlite"), b"").unwrap();
    let stranger = Authority::open(&Folder::new().0).unwrap();
    let foreign = code::Code::new(&stranger.fingerprint()).unwrap().to_string();
    let unknown = code::Code::new(&centre.fingerprint).unwrap().to_string();
    let table = [
        (&folder, &code, &centre.address, "is of node 1 (Gasa BHU-I) already"),
        (&with_data, &code, &centre.address, "holds records of a server"),
        (&other, &code, &centre.address, "used already, by another machine"),
        (&other, &foreign, &centre.address, "is not the centre that this code"),
        (&other, &unknown, &centre.address, "There is no such invitation here"),
        (&other, &code[1..].to_owned(), &centre.address, "fewer than 33"),
        (&other, &code, &"https://127.0.0.1:1".to_owned(), "cannot be reached"),
        (&other, &code, &"127.0.0.1".to_owned(), "is no address of a centre"),
    ];
    for (folder, code, address, expected) in table {
        let said = enrol(folder.data(), address, code).unwrap_err();
        assert!(said.contains(expected), "{said}");
    }
    // The answer was lost on the way: the same machine gets it again.
    std::fs::remove_file(identity::folder(folder.data()).join("identity.json")).unwrap();
    assert_eq!(enrol(folder.data(), &centre.address, &code).unwrap().number, 1);
    assert_eq!(centre.register.nodes().len(), 1);
}

#[test]
fn a_code_is_guessed_at_twenty_times_an_hour() {
    let centre = Running::new(silent());
    let guess = || {
        let unknown = code::Code::new(&centre.fingerprint).unwrap().to_string();
        enrol(Folder::new().data(), &centre.address, &unknown).unwrap_err()
    };
    let said: Vec<String> = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..20).map(|_| scope.spawn(guess)).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert!(
        said.iter().all(|said| said.starts_with("There is no such invitation")),
        "{said:?}"
    );
    let code = centre.invite(clinic());
    let said = enrol(Folder::new().data(), &centre.address, &code).unwrap_err();
    assert!(said.contains("too many wrong codes"), "{said}");
}

#[test]
fn only_nodes_are_answered() {
    let heard = Arc::default();
    let centre = Running::new(echo(&heard));
    let (folder, identity) = centre.node();
    assert_eq!(
        exchanged(&mut Line::of(&identity, folder.data()).unwrap(), &[b"hello"]),
        Ok(b"hello".to_vec())
    );
    let address = &identity.address;
    let print = identity.authority().unwrap();

    let mut nobody = Line::new(address, tls::to_centre(&print, None).unwrap()).unwrap();
    let refused = exchanged(&mut nobody, &[b"hello"]);
    assert!(
        matches!(&refused, Err(LineError::Refused(403, said)) if said.contains("Only nodes are answered")),
        "{refused:?}"
    );

    let stranger = Authority::open(&Folder::new().0).unwrap();
    let key = Key::new().unwrap();
    let foreign = stranger.node(1, key.public(), now() / 1_000_000).unwrap();
    let config = tls::to_centre(&print, Some((foreign, key.private()))).unwrap();
    let refused = exchanged(&mut Line::new(address, config).unwrap(), &[b"hello"]);
    assert!(
        matches!(&refused, Err(LineError::Cut(_) | LineError::Unreachable(_))),
        "{refused:?}"
    );

    let (certificate, key) = identity.certified(folder.data()).unwrap();
    let config = tls::to_centre(&stranger.fingerprint(), Some((certificate, key.private()))).unwrap();
    let refused = exchanged(&mut Line::new(address, config).unwrap(), &[b"hello"]);
    assert!(
        matches!(&refused, Err(LineError::Unreachable(said)) if said.contains("is not the centre")),
        "{refused:?}"
    );

    let mut line = Line::of(&identity, folder.data()).unwrap();
    assert!(exchanged(&mut line, &[]).is_ok());
    centre.register.retire(identity.number, "stolen", now()).unwrap();
    let refused = exchanged(&mut line, &[b"hello"]);
    assert!(
        matches!(&refused, Err(LineError::Refused(403, said)) if said.contains("retired on") && said.contains("stolen")),
        "{refused:?}"
    );
    assert_eq!(heard.lock().unwrap().0, b"hello");
}

#[test]
fn the_gate_has_four_paths_and_reads_little_of_strangers() {
    let centre = Running::new(silent());
    let address = centre.address.trim_start_matches("https://");
    let ask = |path: &str, body: &[u8]| {
        let config = tls::to_centre(&centre.fingerprint, None).unwrap();
        Line::new(address, config).unwrap().ask(path, body.to_vec())
    };
    let key = Key::new().unwrap();
    let renewing = serde_json::to_vec(&enrol::Asked::new(None, &key)).unwrap();
    let table: [(&str, &[u8], u16, &str); 7] = [
        ("/node/enrol", b"nonsense", 400, "This is no request to enrol"),
        ("/node/enrol", &[b' '; 5000], 400, "This is no request to enrol"),
        ("/node/enrol", b"", 400, "This is no request to enrol"),
        ("/node/enrol", &renewing, 403, "Only nodes are answered here"),
        ("/node/sync", b"", 403, "Only nodes are answered here"),
        ("/node/ping", b"", 404, "There is nothing here"),
        ("/fhir/Patient", b"{}", 404, "There is nothing here"),
    ];
    for (path, body, status, expected) in table {
        match ask(path, body) {
            Err(LineError::Refused(got, said)) => {
                assert!(got == status && said.starts_with(expected), "{path}: {got} {said}")
            }
            got => panic!("{path}: {got:?}"),
        }
    }
}

#[test]
fn pieces_are_handled_as_they_come_and_a_cut_keeps_them() {
    let heard = Arc::default();
    let centre = Running::new(echo(&heard));
    let (folder, identity) = centre.node();
    let mut line = Line::of(&identity, folder.data()).unwrap();
    let large: Vec<Vec<u8>> = (0..200u8).map(|at| vec![at; 10_000]).collect();
    let pieces: Vec<&[u8]> = large.iter().map(Vec::as_slice).collect();
    assert_eq!(exchanged(&mut line, &pieces).unwrap(), large.concat());
    assert_eq!(heard.lock().unwrap().1, Some(true));
    *heard.lock().unwrap() = Default::default();

    // The next piece is made only when the echo of the last is there; then the line is cut.
    let (tell, told) = std::sync::mpsc::channel();
    let mut echoes = 0;
    let body = (0..10u8).map(|at| {
        let _ = told.try_recv();
        vec![at; 10]
    });
    let ended = line.exchange(body, &mut |piece| {
        echoes += piece.len();
        let _ = tell.send(());
        if echoes >= 30 { Err("enough".to_owned()) } else { Ok(()) }
    });
    assert_eq!(ended, Err(LineError::Stopped("enough".to_owned())));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while heard.lock().unwrap().1.is_none() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(heard.lock().unwrap().0.len() >= 30, "what came before the cut stays");
    assert_eq!(exchanged(&mut line, &[]).unwrap(), b"");
}

#[test]
fn refusals_and_broken_answers_are_told() {
    let says = |status, text: &str| Refused {
        status,
        text: text.to_owned(),
    };
    let refusal = says(409, "Of another release.");
    let table: [(Answerer, LineError); 2] = [
        (
            Arc::new(move |_, _, _| {
                let refusal = refusal.clone();
                Box::pin(async move { Err(refusal) })
            }),
            LineError::Refused(409, "Of another release.".to_owned()),
        ),
        (
            Arc::new(move |_, _, outgoing| {
                let late = says(500, "too late");
                Box::pin(async move {
                    for _ in 0..3 {
                        outgoing.send(vec![7; 10]).await.unwrap();
                        actix_web::rt::time::sleep(std::time::Duration::from_millis(20)).await;
                    }
                    Err(late)
                })
            }),
            LineError::Cut(String::new()),
        ),
    ];
    for (answerer, expected) in table {
        let centre = Running::new(answerer);
        let (folder, identity) = centre.node();
        let mut count = 0;
        let mut line = Line::of(&identity, folder.data()).unwrap();
        let ended = line.exchange(std::iter::once(vec![1; 10]), &mut |piece| {
            count += piece.len();
            Ok(())
        });
        match (ended, expected) {
            (Err(LineError::Cut(_)), LineError::Cut(_)) => assert_eq!(count, 30),
            (ended, expected) => assert_eq!(ended, Err(expected)),
        }
    }
}

#[test]
fn a_contact_with_nothing_to_say_is_short() {
    let heard = Arc::default();
    let centre = Running::new(echo(&heard));
    let (folder, identity) = centre.node();
    let mut line = Line::of(&identity, folder.data()).unwrap();
    let count = |line: &mut Line| {
        let counted = line.exchange(std::iter::once(vec![1; 20]), &mut |_| Ok(())).unwrap();
        counted.sent + counted.received
    };
    let first = count(&mut line);
    let kept = count(&mut line);
    line.hang_up();
    let resumed = count(&mut line);
    // Two bodies of 20 bytes, two heads, and 22 bytes for each of two records of TLS.
    assert!(kept <= 40 + 200 + 44, "{kept}");
    assert!(resumed < first - 500, "{first} {resumed}");
    println!("first {first}, on a kept connection {kept}, on a session taken up again {resumed} bytes");
}

#[test]
fn a_certificate_is_renewed_at_a_contact() {
    let centre = Running::new(silent());
    let (folder, mut identity) = centre.node();
    let mut line = Line::of(&identity, folder.data()).unwrap();
    exchanged(&mut line, &[]).unwrap();
    assert_eq!(Identity::kept(folder.data()).unwrap().unwrap(), identity, "not yet");
    let old = identity.clone();
    identity.renewed_from = now() / 1_000_000 - 1;
    identity.keep(folder.data()).unwrap();
    exchanged(&mut line, &[]).unwrap();
    let renewed = Identity::kept(folder.data()).unwrap().unwrap();
    assert!(renewed.renewed_from >= old.renewed_from && renewed.certificate != old.certificate);
    line.hang_up();
    exchanged(&mut line, &[]).unwrap();
    for kept in [&old, &renewed] {
        exchanged(&mut Line::of(kept, folder.data()).unwrap(), &[]).unwrap();
    }
    assert_eq!(centre.register.nodes().len(), 1);
}

#[test]
fn orders_are_followed_through_the_socket() {
    let centre = Running::new(silent());
    let folder = Folder::new();
    let taken = {
        let office = Office {
            register: Arc::clone(&centre.register),
            fingerprint: centre.fingerprint,
            port: 8444,
            host: Host::Centre(
                Arc::clone(&centre.generations),
                Arc::default(),
                Arc::clone(&centre.register),
            ),
        };
        Orders::take(&orders::folder(folder.data()), Desk::Centre(office)).unwrap()
    };
    let horizon = Horizon::read(&["0401".to_owned(), "0402".to_owned()], "5y", None).unwrap();
    let invite = Order::Invite {
        name: "Gasa BHU-I".to_owned(),
        horizon,
    };
    let said = orders::give(folder.data(), &invite).unwrap();
    let code = said.lines().next().unwrap();
    assert!(said.contains("https://HOST:8444"), "{said}");
    let clinic = Folder::new();
    enrol(clinic.data(), &centre.address, code).unwrap();
    let moved = |number, gewog: &str| Order::Move {
        number,
        moved: Moved {
            gewogs: Some(vec![gewog.to_owned()]),
            seen_within_months: Some(24),
            ..Moved::default()
        },
    };
    let retired = |reason: &str| Order::Retire {
        number: 1,
        reason: reason.to_owned(),
    };
    let table = [
        (Order::List, Ok("Gasa BHU-I")),
        (moved(1, "0501"), Ok("seen there within 24 months")),
        (moved(1, "9999"), Err("is no gewog")),
        (moved(2, "0501"), Err("There is no node 2")),
        (Order::Replace { number: 1 }, Ok("Node 1 is retired once")),
        (retired(""), Err("The reason is one line")),
        (retired("closed"), Ok("is retired")),
        (Order::Replace { number: 2 }, Err("There is no node 2")),
        (Order::List, Ok("closed")),
    ];
    for (order, expected) in table {
        match (orders::give(folder.data(), &order), expected) {
            (Ok(said), Ok(expected)) | (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
            (got, _) => panic!("{order:?}: {got:?}"),
        }
    }
    drop(taken);
    let said = orders::give(folder.data(), &Order::List).unwrap_err();
    assert!(said.contains("No server for nodes runs"), "{said}");
}

#[test]
fn a_node_serves_as_itself() {
    let centre = Running::new(silent());
    let (folder, identity) = centre.node();
    let with = |data: &str, node: &str| {
        let mut settings = Settings {
            data: data.to_owned(),
            ..Settings::default()
        };
        settings.put("node", node).unwrap();
        settings
    };
    let empty = Folder::new();
    let table = [
        (folder.data(), "0", Ok(Some(1))),
        (folder.data(), "1", Ok(Some(1))),
        (folder.data(), "enrolled", Ok(Some(1))),
        (folder.data(), "2", Err("is of node 1, but the setting node says 2")),
        (empty.data(), "0", Ok(None)),
        (empty.data(), "2", Ok(Some(2))),
        (empty.data(), "enrolled", Err("is of no node yet")),
    ];
    for (data, node, expected) in table {
        match (identity::number(&with(data, node)), expected) {
            (Ok(got), Ok(number)) => assert_eq!(got, number),
            (Err(said), Err(expected)) => assert!(said.contains(expected), "{said}"),
            (got, _) => panic!("{data} {node}: {got:?}"),
        }
    }
    let own = with(folder.data(), "enrolled");
    let said = identity::standing(&own, 1).unwrap();
    assert_eq!(said, r#"{"centre":"Centre","name":"Gasa BHU-I","number":1}"#);
    let generations = crate::engine::open(&own, false).unwrap();
    assert_eq!(generations.now().store.mint().as_str().split('-').next(), Some("1"));
    let below = Settings {
        node_listen: "127.0.0.1:0".to_owned(),
        ..own
    };
    let said = Centre::new(&below, &generations).err().unwrap();
    assert!(said.contains("cannot have nodes of its own"), "{said}");
    let mode =
        |path: &Path| std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777;
    assert_eq!(
        (mode(&key_file(folder.data())), mode(&identity::folder(folder.data()))),
        (0o600, 0o700)
    );
    assert_eq!(identity.number, 1);
}

#[test]
fn nothing_but_a_search_is_passed_on() {
    let centre = Running::new(echo(&Arc::default()));
    let (folder, identity) = centre.node();
    let mut line = Line::of(&identity, folder.data()).unwrap();
    for (search, status) in [
        ("Patient?name=a", 200),
        ("Patient/p/Observation", 200),
        ("?_type=Patient", 200),
        ("Patient/p", 400),
        ("Patient/_history", 400),
        ("Patient/p/$everything", 400),
        ("metadata", 400),
        ("Nothing?name=a", 404),
        ("Patient?birthdate=yesterday", 400),
    ] {
        let question = serde_json::json!({"search": search, "base": "http://clinic/fhir"});
        let answered = match line.ask(at_centre::PATH, question.to_string().into_bytes()) {
            Ok(_) => 200,
            Err(LineError::Refused(status, _)) => status,
            Err(other) => panic!("{search}: {other}"),
        };
        assert_eq!(answered, status, "{search}");
    }
}
