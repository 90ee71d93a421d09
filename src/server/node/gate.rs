//! Where nodes come in: TLS with certificates of the centre's own authority, and a few paths, none of them FHIR.

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Extensions};
use actix_web::http::StatusCode;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Data, Payload};
use actix_web::{App, HttpRequest, HttpResponse};
use interaction::Generations;
use interaction::engine::now;
use person::carry;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::at_centre;
use super::authority::{Authority, NODE_SECONDS};
use super::carried::PATH;
use super::carrier::Carrier;
use super::code::Code;
use super::contact::{self, Answerer, Begun, Contact, Incoming, SILENCE};
use super::enrol::{Asked, Welcome};
use super::guest::{Guest, STRANGERS_MAX};
use super::hex::hex;
use super::register::{Node, Register, Turned};
use super::tls;
use super::tries::Tries;

/// Nodes connected at once.
const CONNECTIONS_MAX: usize = 4096;
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(300);
/// Bytes that the system takes for a node before they are on the line: half a minute's worth at 64 kbit/s, so that a cut is
/// told from a slow line.
const SEND_BUFFER: usize = 128 << 10;
/// Bytes of a request to enrol at most.
const ENROL_MAX: usize = 4096;
/// How long who sent a wrong code waits for the answer.
const DELAY: Duration = Duration::from_secs(1);

/// What the gate needs.
pub struct Gate {
    /// Whose certificates are taken.
    pub authority: Authority,
    /// Who the nodes are.
    pub register: Arc<Register>,
    /// What the centre is called.
    pub name: String,
    /// What answers.
    pub generations: Arc<Generations>,
    /// Who answers contacts.
    pub answerer: Answerer,
    /// What carries everybody in the country.
    pub carrier: Arc<Carrier>,
    /// Places for searches that clinics pass on.
    pub searches: Semaphore,
    /// Who has guessed at codes.
    pub tries: Tries,
}

/// Who is on a connection: its address, and the key of its certificate where it has one.
struct Peer {
    address: IpAddr,
    key: Option<Vec<u8>>,
}

/// Takes the address where nodes come in; any address, because the gate lets in nodes alone.
///
/// # Errors
/// A sentence where it is no address or cannot be had.
pub fn bind(listen: &str) -> Result<TcpListener, String> {
    let found = listen.to_socket_addrs();
    let addresses: Vec<SocketAddr> = found
        .map_err(|_| format!("{listen:?} is no address to listen on for nodes; write it like 0.0.0.0:8444."))?
        .collect();
    TcpListener::bind(addresses.as_slice()).map_err(|e| format!("Cannot listen on {listen} for nodes: {e}."))
}

/// The server at the gate; it is stopped by its handle.
///
/// # Errors
/// A sentence where no certificate can be made or the server cannot begin.
pub fn server(listener: TcpListener, gate: Gate) -> Result<Server, String> {
    let acceptor = TlsAcceptor::from(Arc::new(tls::of_centre(&gate.authority)?));
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let gate = Data::new(gate);
    let places = Arc::new(Semaphore::new(STRANGERS_MAX));
    let builder = Server::build()
        .workers(1)
        .max_concurrent_connections(CONNECTIONS_MAX)
        .disable_signals();
    let service = move || {
        let (gate, acceptor, places) = (gate.clone(), acceptor.clone(), Arc::clone(&places));
        let app = App::new().configure(|config| routes(&gate, config));
        let http = HttpService::build()
            .keep_alive(IDLE)
            .client_request_timeout(SILENCE)
            .client_disconnect_timeout(Duration::from_secs(5))
            .local_addr(address)
            .on_connect_ext(peer)
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| received(stream, acceptor.clone(), Arc::clone(&places))).and_then(http)
    };
    let server = builder.listen("nodes", listener, service);
    Ok(server
        .map_err(|e| format!("The server for nodes cannot begin: {e}."))?
        .run())
}

type Received = (Guest, actix_http::Protocol, Option<SocketAddr>);

async fn received(stream: TcpStream, acceptor: TlsAcceptor, places: Arc<Semaphore>) -> Result<Received, DispatchError> {
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
    let address = stream.peer_addr().ok();
    let guest = Guest::received(stream, acceptor, places).await;
    Ok((guest.map_err(DispatchError::Io)?, actix_http::Protocol::Http1, address))
}

fn peer(guest: &Guest, known: &mut Extensions) {
    let (tcp, session) = guest.stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    if let Ok(address) = tcp.peer_addr() {
        known.insert(Peer {
            address: address.ip(),
            key: certificate.and_then(tls::key_of),
        });
    }
}

fn routes(gate: &Data<Gate>, config: &mut web::ServiceConfig) {
    config
        .app_data(gate.clone())
        .route("/node/enrol", web::post().to(enrol))
        .route("/node/sync", web::post().to(sync))
        .route(PATH, web::post().to(persons))
        .route(at_centre::PATH, web::post().to(search))
        .route("/node/ping", web::get().to(ping))
        .default_service(web::to(async || {
            say(
                404,
                "There is nothing here: nodes are enrolled and exchange records at this address, and nothing else.",
            )
        }));
}

fn say(status: u16, text: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).body(format!("{text}\n"))
}

/// The answer to who is turned away.
fn turned(turned: Turned) -> HttpResponse {
    match turned {
        Turned::Away(text) => say(403, &text),
        Turned::Guess => say(
            403,
            "There is no such invitation here: compare the code with the one that was given, or ask the centre for a new one.",
        ),
        Turned::Trouble(why) => {
            eprintln!("epis: the register of nodes: {why}");
            say(
                500,
                "The centre cannot read or write its register of nodes now; try again later.",
            )
        }
    }
}

/// Works on the register, which may wait for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Turned> + Send + 'static,
) -> Result<T, HttpResponse> {
    let ended = web::block(work).await;
    let fault = |_| Turned::Trouble("a fault of the program".to_owned());
    ended.map_err(fault).and_then(|done| done).map_err(turned)
}

/// The node on a connection.
async fn node(http: &HttpRequest, gate: &Data<Gate>) -> Result<Node, HttpResponse> {
    let Some(key) = http.conn_data::<Peer>().and_then(|peer| peer.key.clone()) else {
        return Err(say(
            403,
            "Only nodes are answered here: enrol this machine first, with epis node enrol.",
        ));
    };
    let gate = gate.clone();
    blocking(move || gate.register.contact(&key, now())).await
}

async fn ping(http: HttpRequest, gate: Data<Gate>) -> HttpResponse {
    match node(&http, &gate).await {
        Ok(node) => say(200, &node.number.to_string()),
        Err(refused) => refused,
    }
}

async fn sync(http: HttpRequest, payload: Payload, gate: Data<Gate>) -> HttpResponse {
    let node = match node(&http, &gate).await {
        Ok(node) => node,
        Err(refused) => return refused,
    };
    let contact = Contact {
        node,
        generations: Arc::clone(&gate.generations),
    };
    match contact::begin(&gate.answerer, contact, Incoming::new(payload)).await {
        Ok(Begun::Whole(bytes)) => HttpResponse::Ok().body(bytes),
        Ok(Begun::Going(pieces)) => HttpResponse::Ok().body(pieces),
        Err(refused) => say(refused.status, &refused.text),
    }
}

async fn persons(http: HttpRequest, payload: Payload, gate: Data<Gate>) -> HttpResponse {
    if let Err(refused) = node(&http, &gate).await {
        return refused;
    }
    let body = timeout(SILENCE, short(Incoming::new(payload), ENROL_MAX)).await;
    let Some(asked) = body.ok().flatten().and_then(|body| carry::Asked::read(&body)) else {
        return say(
            400,
            "This is no question for everybody: is the program older than the centre's?",
        );
    };
    let answered = web::block(move || gate.carrier.answer(&gate.generations.now(), &asked)).await;
    match answered {
        Ok(Ok(bytes)) => HttpResponse::Ok().body(bytes),
        Ok(Err(why)) => {
            eprintln!("epis: the list of everybody for clinics: {why}");
            say(
                500,
                "The centre cannot read its list of everybody now; try again later.",
            )
        }
        Err(_) => say(500, "A fault of the program ended the answer."),
    }
}

/// What somebody at a clinic asks the centre.
async fn search(http: HttpRequest, payload: Payload, gate: Data<Gate>) -> HttpResponse {
    if let Err(refused) = node(&http, &gate).await {
        return refused;
    }
    let Ok(Some(asked)) = timeout(SILENCE, short(Incoming::new(payload), at_centre::QUESTION_MAX)).await else {
        return say(400, "This is no search of a clinic.");
    };
    // Clinics' people are answered beside those here, not before them.
    let Ok(Ok(_place)) = timeout(at_centre::TURN, gate.searches.acquire()).await else {
        return say(503, "Many clinics are asking the centre now; ask again in a minute.");
    };
    let generations = Arc::clone(&gate.generations);
    let answered = web::block(move || at_centre::answer(&generations.now(), &asked)).await;
    match answered.unwrap_or_else(|_| Err((500, "A fault of the program ended the search.".to_owned()))) {
        Ok(packed) => HttpResponse::Ok().body(packed),
        Err((status, said)) => say(status, &said),
    }
}

async fn enrol(http: HttpRequest, payload: Payload, gate: Data<Gate>) -> HttpResponse {
    let Ok(Some(body)) = timeout(SILENCE, short(Incoming::new(payload), ENROL_MAX)).await else {
        return malformed();
    };
    match welcome(&http, &body, &gate).await {
        Ok(welcome) => HttpResponse::Ok().json(welcome),
        Err(refused) => refused,
    }
}

/// A short body, whole; `None` where it is none.
async fn short(mut incoming: Incoming, most: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = incoming.next().await.ok()? {
        body.extend_from_slice(&piece);
        if body.len() > most {
            return None;
        }
    }
    Some(body)
}

fn malformed() -> HttpResponse {
    say(
        400,
        "This is no request to enrol: is the program of the same release as the centre's?",
    )
}

async fn welcome(http: &HttpRequest, body: &[u8], gate: &Data<Gate>) -> Result<Welcome, HttpResponse> {
    let asked: Asked = serde_json::from_slice(body).map_err(|_| malformed())?;
    let public = asked.proven().ok_or_else(malformed)?;
    let node = match &asked.code {
        Some(code) => invited(http, code, public.clone(), gate).await?,
        None => {
            let node = node(http, gate).await?;
            // A certificate is renewed for the key it was of.
            if node.key != hex(&public) {
                return Err(malformed());
            }
            node
        }
    };
    let seconds = now() / 1_000_000;
    let signed = gate.authority.node(node.number, &public, seconds);
    let certificate = signed.map_err(|why| turned(Turned::Trouble(why)))?;
    Ok(Welcome {
        number: node.number,
        name: node.name,
        horizon: node.horizon,
        centre: gate.name.clone(),
        authority: hex(&gate.authority.fingerprint()),
        certificate: hex(&certificate),
        renewed_from: seconds + NODE_SECONDS * 2 / 3,
        shared: hex(&gate.authority.shared(&public)),
    })
}

/// The node that comes of a code.
async fn invited(http: &HttpRequest, code: &str, public: Vec<u8>, gate: &Data<Gate>) -> Result<Node, HttpResponse> {
    let address = http.conn_data::<Peer>().map(|peer| peer.address);
    let address = address.ok_or_else(|| say(400, "The connection ended."))?;
    if !gate.tries.may(address, Instant::now()) {
        return Err(say(
            429,
            "There were too many wrong codes from this address: try again in an hour, with a code that was compared.",
        ));
    }
    let register = Arc::clone(&gate.register);
    let hash = code.parse::<Code>().map(|code| code.hashed());
    let enrolled = match hash {
        Ok(hash) => web::block(move || register.enrol(&hash, &public, now()))
            .await
            .unwrap_or(Err(Turned::Trouble("a fault of the program".to_owned()))),
        Err(_) => Err(Turned::Guess),
    };
    if enrolled == Err(Turned::Guess) {
        gate.tries.wrong(address, Instant::now());
        sleep(DELAY).await;
    }
    enrolled.map_err(turned)
}
