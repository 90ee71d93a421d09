//! Serves: binds, opens the data, answers until told to stop, and ends in good order.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::Server;
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::rt::System;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use interaction::Generations;

use crate::http::{Door, routes};
use crate::log::Detail;
use crate::node::Centre;
use crate::node::agree::Agreeing;
use crate::node::carried::Carried;
use crate::node::status::Seat;
use crate::settings::Settings;
use crate::wire::Wire;

/// `epis serve`.
///
/// # Errors
/// A sentence where the address cannot be had, the data cannot be opened, or the server failed.
pub fn serve(settings: Settings) -> Result<ExitCode, String> {
    let listener = bind(&settings.listen)?;
    let generations = crate::engine::open(&settings, true)?;
    let centre = Centre::new(&settings, &generations)?;
    println!("{}", greeting(&listener, &settings));
    if let Some(address) = centre.as_ref().and_then(Centre::address) {
        println!("Nodes come in at https://{address}.");
    }
    run(listener, generations, centre, settings, told_to_stop())?;
    println!("Stopped.");
    Ok(ExitCode::SUCCESS)
}

/// What is said once the server listens.
fn greeting(listener: &TcpListener, settings: &Settings) -> String {
    let address = listener
        .local_addr()
        .map_or(settings.listen.clone(), |address| address.to_string());
    format!(
        "Listening on http://{address}/fhir with the data in {}.\nOnly programs on this machine can reach it: \
        TLS and access control are not configured, so it listens on loopback only.",
        settings.data
    )
}

/// Takes the address to listen on.
///
/// # Errors
/// A sentence where it is no address, is not loopback, or is taken.
pub fn bind(listen: &str) -> Result<TcpListener, String> {
    let addresses = loopback(listen)?;
    TcpListener::bind(addresses.as_slice()).map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("{listen} is in use by another program, perhaps another epis: stop that one, or choose another address with --listen.")
        }
        _ => format!("Cannot listen on {listen}: {e}."),
    })
}

/// The addresses a listen setting means, all of them loopback.
fn loopback(listen: &str) -> Result<Vec<SocketAddr>, String> {
    let found = listen.to_socket_addrs();
    let addresses: Vec<SocketAddr> = match found {
        Ok(found) => found.collect(),
        Err(_) => {
            return Err(format!(
                "{listen:?} is no address to listen on; write it like 127.0.0.1:8080."
            ));
        }
    };
    match addresses.iter().find(|address| !address.ip().is_loopback()) {
        None => Ok(addresses),
        Some(other) => Err(format!(
            "Refusing to listen on {other}: TLS and access control are not configured, so anybody on the network could read \
            and change every patient's record. Listen on a loopback address such as 127.0.0.1:8080."
        )),
    }
}

/// Answers until it is told to stop, then lets what is under way end. A centre's nodes are answered beside.
///
/// # Errors
/// A sentence where a setting cannot be used or the server failed.
pub(crate) fn run(
    listener: TcpListener,
    generations: Arc<Generations>,
    centre: Option<Centre>,
    settings: Settings,
    told: impl Future<Output = ()> + Send + 'static,
) -> Result<(), String> {
    crate::log::keep_panics_quiet();
    let agreeing = agreeing(&settings, &generations)?;
    let errands = agreeing
        .as_ref()
        .map(|agreeing| crate::node::errands(&settings.data, &generations, agreeing));
    let _errands = errands.transpose()?;
    let seat = match (&centre, &agreeing) {
        (Some(centre), _) => centre.seat(),
        (None, Some(agreeing)) => Seat::Node(Arc::clone(agreeing), Arc::clone(&generations)),
        (None, None) => Seat::Alone,
    };
    let door = Data::new(Door::new(generations, settings.clone(), seat)?);
    let failed = |e: std::io::Error| format!("The server failed: {e}.");
    System::new().block_on(async move {
        let server = build(listener, door, &settings, told).map_err(failed)?;
        let nodes = centre.map(Centre::open).transpose()?;
        let ended = server.await;
        agreeing.iter().for_each(|agreeing| agreeing.stop());
        if let Some(nodes) = nodes {
            nodes.close().await;
        }
        ended.map_err(failed)
    })
}

/// A node comes to agree with its centre while it serves.
fn agreeing(settings: &Settings, generations: &Arc<Generations>) -> Result<Option<Arc<Agreeing>>, String> {
    let Some(identity) = crate::node::identity::of(settings)? else {
        return Ok(None);
    };
    let pause = Duration::from_secs(settings.contact_seconds.max(1));
    let carried = Carried::open(settings, generations.now().country())?;
    let is_quiet = Detail::read(&settings.log)? == Detail::None;
    Agreeing::begin(
        identity,
        &settings.data,
        carried,
        Arc::clone(generations),
        pause,
        is_quiet,
    )
    .map(Some)
}

fn build(
    listener: TcpListener,
    door: Data<Door>,
    settings: &Settings,
    told: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<Server> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let workers = if settings.workers == 0 {
        processors
    } else {
        settings.workers
    };
    let threads = settings.requests_max.div_ceil(workers).max(1);
    let (request, idle) = (settings.request_seconds, settings.keep_alive_seconds);
    let address = listener.local_addr()?;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(settings.connections_max)
        .worker_max_blocking_threads(threads)
        .shutdown_timeout(settings.shutdown_seconds)
        .shutdown_signal(told);
    let stopping = builder.graceful_shutdown_signal();
    let service = move || {
        let (door, stopping) = (door.clone(), stopping.clone());
        let app = App::new().configure(|config| routes(&door, config));
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(Duration::from_secs(idle))
            .client_request_timeout(Duration::from_secs(request))
            .client_disconnect_timeout(Duration::from_secs(5))
            .local_addr(address)
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(async |stream: TcpStream| {
            let _ = stream.set_nodelay(true);
            let peer = stream.peer_addr().ok();
            Ok((Wire::new(stream), actix_http::Protocol::Http1, peer))
        })
        .and_then(http)
    };
    Ok(builder.listen("epis", listener, service)?.run())
}

/// Resolves at SIGTERM or Ctrl-C.
pub async fn told_to_stop() {
    #[cfg(unix)]
    {
        use actix_web::rt::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = actix_web::rt::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = actix_web::rt::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        let table = [
            ("127.0.0.1:0", None),
            ("[::1]:8080", None),
            ("localhost:0", None),
            (
                "0.0.0.0:8080",
                Some("Refusing to listen on 0.0.0.0:8080: TLS and access control"),
            ),
            ("[::]:8080", Some("Refusing to listen")),
            ("10.1.2.3:80", Some("Refusing to listen")),
            ("8080", Some("is no address")),
            ("127.0.0.1", Some("is no address")),
        ];
        for (listen, refusal) in table {
            match (loopback(listen), refusal) {
                (Ok(_), None) => {}
                (Err(said), Some(expected)) => assert!(said.contains(expected), "{said}"),
                (got, _) => panic!("{listen}: {got:?}"),
            }
        }
    }

    #[test]
    fn an_address_in_use_is_named() {
        let taken = bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        assert!(bind(&address).unwrap_err().contains("in use by another program"));
    }
}
