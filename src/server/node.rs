//! Clinic nodes: the centre invites and enrols them, and they reach it over mutual TLS. `epis node` is here.

pub mod agree;
pub(crate) mod answer;
mod at_centre;
mod authority;
pub(crate) mod carried;
mod carrier;
mod code;
pub mod contact;
pub(crate) mod enrol;
mod gate;
mod guest;
mod hex;
pub mod horizon;
pub mod identity;
mod kept;
pub mod line;
pub(crate) mod orders;
mod persons;
pub(crate) mod private;
pub mod register;
pub mod status;
pub(crate) mod stick;
#[cfg(test)]
mod tests;
mod tls;
mod tries;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use actix_server::{Server, ServerHandle};
use clap::Subcommand;
use interaction::Generations;
use interaction::answer_node::Exchange;

use crate::command::Set;
use crate::settings::Settings;
use agree::Agreeing;
use authority::Authority;
use carrier::Carrier;
use gate::Gate;
use horizon::{Horizon, Moved};
use orders::{Desk, Office, Order, Orders};
use register::Register;
use status::Seat;
use stick::errand::Host;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Invites a clinic: prints a code that enrols one machine within 7 days.
    ///
    /// The code is told to whoever sets up the machine; nothing else is needed. The server must be running with
    /// --node-listen. With --replace the machine takes the place of a node's, under a new number; the old one is
    /// retired when it has enrolled.
    Invite {
        /// What people call the clinic.
        #[arg(long, value_name = "NAME", required_unless_present = "replace")]
        name: Option<String>,
        /// The place code of a gewog of its catchment, like 0501; may be given again.
        #[arg(long = "gewog", value_name = "CODE", required_unless_present = "replace")]
        gewogs: Vec<String>,
        /// Besides the catchment it holds whoever was seen there within this time, like 5y or 18m.
        #[arg(long, value_name = "TIME", default_value = "5y")]
        seen_within: String,
        /// The record of the clinic itself, like Location/gasa-bhu: it holds whoever is referred there.
        #[arg(long, value_name = "URL")]
        place: Option<String>,
        /// The number of the node whose place the machine takes, with its name and catchment.
        #[arg(long, value_name = "NUMBER", conflicts_with_all = ["name", "gewogs", "place"])]
        replace: Option<u32>,
        #[command(flatten)]
        set: Set,
    },
    /// Lists the nodes: number, name, when they were enrolled and last in contact, until when they are taken in without another
    /// contact, catchment.
    List {
        #[command(flatten)]
        set: Set,
    },
    /// Retires a node: it is refused from then on. What it had not sent stays on its machine.
    Retire {
        /// Its number.
        number: u32,
        /// Why, for whoever asks later.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        set: Set,
    },
    /// Gives a node another horizon or another name; at the next contact only the difference travels.
    ///
    /// What is not named stays as it is. Whoever leaves a horizon is sent nothing more; what is there stays.
    Move {
        /// Its number.
        number: u32,
        /// The place code of a gewog of its catchment, like 0501; may be given again.
        #[arg(long = "gewog", value_name = "CODE", required_unless_present_any = ["seen_within", "place", "name"])]
        gewogs: Vec<String>,
        /// What people call the clinic.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Besides the catchment it holds whoever was seen there within this time, like 5y or 18m.
        #[arg(long, value_name = "TIME")]
        seen_within: Option<String>,
        /// The record of the clinic itself, like Location/gasa-bhu: it holds whoever is referred there.
        #[arg(long, value_name = "URL")]
        place: Option<String>,
        #[command(flatten)]
        set: Set,
    },
    /// Takes in a node again that was without contact for so long that its lease ended (the setting node_lease_days).
    Renew {
        /// Its number.
        number: u32,
        #[command(flatten)]
        set: Set,
    },
    /// Makes this machine a node: at the clinic, with the code that the centre gave.
    ///
    /// The key is made here and never leaves. The code tells the centre who this is, and this machine that the centre
    /// is the right one. Where the line is cut meanwhile, the same command goes on.
    Enrol {
        /// Where the centre is, like https://host:8444.
        #[arg(long, value_name = "URL")]
        centre: String,
        /// The code, as it was given.
        #[arg(long, value_name = "CODE")]
        code: String,
        #[command(flatten)]
        set: Set,
    },
}

/// `epis node`.
///
/// # Errors
/// A sentence that says what to do.
pub(crate) fn node(what: What) -> Result<ExitCode, String> {
    let said = match what {
        What::Enrol { centre, code, set } => {
            let identity = enrol::enrol(&set.gather(&[])?.data, &centre, &code)?;
            format!(
                "This machine is node {} ({}) of {}. Start it with: epis serve --node",
                identity.number, identity.name, identity.centre
            )
        }
        What::Invite {
            name,
            gewogs,
            seen_within,
            place,
            replace,
            set,
        } => {
            let order = match replace {
                Some(number) => Order::Replace { number },
                None => Order::Invite {
                    name: name.unwrap_or_default(),
                    horizon: Horizon::read(&gewogs, &seen_within, place.as_deref())?,
                },
            };
            orders::give(&set.gather(&[])?.data, &order)?
        }
        What::List { set } => orders::give(&set.gather(&[])?.data, &Order::List)?,
        What::Retire { number, reason, set } => {
            orders::give(&set.gather(&[])?.data, &Order::Retire { number, reason })?
        }
        What::Move {
            number,
            gewogs,
            name,
            seen_within,
            place,
            set,
        } => {
            let moved = Moved::read(&gewogs, seen_within.as_deref(), place.as_deref(), name)?;
            orders::give(&set.gather(&[])?.data, &Order::Move { number, moved })?
        }
        What::Renew { number, set } => orders::give(&set.gather(&[])?.data, &Order::Renew { number })?,
    };
    println!("{said}");
    Ok(ExitCode::SUCCESS)
}

/// Takes errands for sticks at a clinic that serves.
///
/// # Errors
/// A sentence where the socket for them cannot be made.
pub(crate) fn errands(data: &str, generations: &Arc<Generations>, agreeing: &Arc<Agreeing>) -> Result<Orders, String> {
    let host = Host::Clinic(Arc::clone(generations), data.to_owned(), Some(Arc::clone(agreeing)));
    Orders::take(&identity::folder(data), Desk::Clinic(host))
}

/// The side of a centre that its nodes see, ready to begin.
pub(crate) struct Centre {
    listener: TcpListener,
    gate: Gate,
    orders: Orders,
    exchange: Arc<Exchange>,
}

/// That side while it answers.
pub(crate) struct Open {
    handle: ServerHandle,
    _orders: Orders,
}

impl Centre {
    /// Takes the address where nodes come in; `None` where the settings name none.
    ///
    /// # Errors
    /// A sentence where this is a node itself, the address cannot be had, or the authority cannot be read.
    pub(crate) fn new(settings: &Settings, generations: &Arc<Generations>) -> Result<Option<Centre>, String> {
        if settings.node_listen.is_empty() {
            return Ok(None);
        }
        if let Some(identity) = identity::of(settings)? {
            return Err(format!(
                "This is node {} of {}: it cannot have nodes of its own; leave out the setting node_listen.",
                identity.number, identity.centre
            ));
        }
        let listener = gate::bind(&settings.node_listen)?;
        let folder = orders::folder(&settings.data);
        let authority = Authority::open(&folder)?;
        let register =
            Arc::new(Register::open(Box::new(kept::Kept(Arc::clone(generations))))?.leasing(settings.node_lease_days));
        let exchange = Arc::new(Exchange::default());
        let office = Office {
            register: Arc::clone(&register),
            fingerprint: authority.fingerprint(),
            port: listener.local_addr().map_or(0, |address| address.port()),
            host: Host::Centre(Arc::clone(generations), Arc::clone(&exchange), Arc::clone(&register)),
        };
        let orders = Orders::take(&folder, Desk::Centre(office))?;
        let gate = Gate {
            authority,
            register: Arc::clone(&register),
            name: settings.centre_name.clone(),
            generations: Arc::clone(generations),
            answerer: contact::answerer(Arc::clone(&exchange), register),
            carrier: Carrier::open(settings)?,
            tries: tries::Tries::default(),
            searches: at_centre::places(),
        };
        Ok(Some(Centre {
            listener,
            gate,
            orders,
            exchange,
        }))
    }

    /// Where this server sits.
    pub(crate) fn seat(&self) -> Seat {
        let register = Arc::clone(&self.gate.register);
        Seat::Centre(Arc::clone(&self.exchange), register, Arc::clone(&self.gate.generations))
    }

    /// Where nodes come in.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Begins to answer, on the present runtime.
    ///
    /// # Errors
    /// A sentence where the server cannot begin.
    pub(crate) fn open(self) -> Result<Open, String> {
        let server: Server = gate::server(self.listener, self.gate)?;
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Ok(Open {
            handle,
            _orders: self.orders,
        })
    }
}

impl Open {
    /// Lets what is under way end, for a moment, and stops.
    pub(crate) async fn close(self) {
        self.handle.stop(true).await;
    }
}
