//! The servers of the demonstration, each as `epis serve` runs it, in threads of this process; they stop together.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use interaction::Generations;
use tokio::sync::watch;

use crate::node::identity::Identity;
use crate::node::orders::{self, Order};
use crate::node::{Centre, enrol};
use crate::serve;
use crate::settings::Settings;
use crate::value::NodeNumber;

use super::switch::Switch;

/// All that runs.
pub struct House {
    stop: watch::Sender<bool>,
    threads: Mutex<Vec<JoinHandle<Result<(), String>>>>,
}

/// One server.
pub struct Site {
    /// What people call it.
    pub name: &'static str,
    /// Where it answers.
    pub address: SocketAddr,
    /// Its data folder.
    pub data: String,
    /// What answers.
    pub generations: Arc<Generations>,
    /// Where clinics come in; `None` at a clinic.
    pub nodes: Option<SocketAddr>,
}

/// A clinic: a server, and its line to the centre.
pub struct Clinic {
    /// The server.
    pub site: Site,
    /// The line.
    pub line: Switch,
}

impl Default for House {
    fn default() -> Self {
        House {
            stop: watch::Sender::new(false),
            threads: Mutex::default(),
        }
    }
}

impl House {
    /// Resolves when all is to stop.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // Where the house is gone, so is the reason to go on.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// Runs something until all is to stop.
    ///
    /// # Errors
    /// A sentence where no thread can be had.
    pub fn run(&self, name: &str, work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
        let thread = Builder::new().name(name.to_owned()).spawn(work);
        let thread = thread.map_err(|e| format!("No thread can be had for {name}: {e}."))?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread);
        Ok(())
    }

    /// Stops all, and waits until it has ended in good order.
    ///
    /// # Errors
    /// The sentence of the first that failed.
    pub fn close(&self) -> Result<(), String> {
        self.stop.send_replace(true);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let ends = threads.into_iter().map(JoinHandle::join);
        let ends: Vec<_> = ends
            .map(|end| end.unwrap_or_else(|_| Err("A server ended by a fault of the program.".to_owned())))
            .collect();
        ends.into_iter().collect()
    }

    /// Begins the centre, where the settings say that it listens.
    ///
    /// # Errors
    /// A sentence where the address cannot be had or the data cannot be opened.
    pub fn centre(&self, settings: &Settings) -> Result<Site, String> {
        let own = Settings {
            data: below(settings, "centre"),
            node: NodeNumber(Some(0)),
            node_listen: "127.0.0.1:0".to_owned(),
            ..settings.clone()
        };
        self.serve("The centre", serve::bind(&settings.listen)?, own)
    }

    /// Begins a clinic beside a centre, at one of the ports after the centre's, or any that is free; where its folder is new, it
    /// is invited and enrolled first, and both commands are told.
    ///
    /// # Errors
    /// A sentence where it cannot be enrolled or begun.
    pub fn clinic(
        &self,
        settings: &Settings,
        centre: &Site,
        (name, folder, after): (&'static str, &str, u16),
        order: &Order,
        tell: &dyn Fn(&str),
    ) -> Result<Clinic, String> {
        let nodes = centre.nodes.ok_or("The centre has no door for clinics.")?;
        let line = Switch::new(nodes)?;
        let data = below(settings, folder);
        match Identity::kept(&data)? {
            Some(mut identity) => {
                identity.address = line.address.to_string();
                identity.keep(&data)?;
            }
            None => {
                let said = orders::give(&centre.data, order)?;
                let code = said.lines().next().unwrap_or_default();
                tell(&format!(
                    "epis node invite --data {} --name \"{name}\" --gewog 0403 --gewog 0404",
                    centre.data
                ));
                let address = format!("https://{}", line.address);
                enrol::enrol(&data, &address, code)?;
                tell(&format!(
                    "epis node enrol --data {data} --centre {address} --code {code}"
                ));
            }
        }
        let own = Settings {
            data,
            node: NodeNumber(None),
            store: String::new(),
            ..settings.clone()
        };
        let site = self.serve(name, beside(centre.address, after)?, own)?;
        Ok(Clinic { site, line })
    }

    fn serve(&self, name: &'static str, listener: TcpListener, settings: Settings) -> Result<Site, String> {
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let generations = crate::engine::open(&settings, true)?;
        let centre = Centre::new(&settings, &generations)?;
        let site = Site {
            name,
            address,
            data: settings.data.clone(),
            generations: Arc::clone(&generations),
            nodes: centre.as_ref().and_then(Centre::address),
        };
        let stopped = self.stopped();
        self.run(name, move || {
            serve::run(listener, generations, centre, settings, stopped)
        })?;
        Ok(site)
    }
}

impl Site {
    /// The address of something there.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

fn below(settings: &Settings, folder: &str) -> String {
    Path::new(&settings.data).join(folder).display().to_string()
}

/// The port so far after another one's, where that is free and the other was chosen, or any that is free.
///
/// # Errors
/// A sentence where none is.
pub fn beside(centre: SocketAddr, after: u16) -> Result<TcpListener, String> {
    let next = centre.port().checked_add(after);
    let wanted = next.map(|port| TcpListener::bind((centre.ip(), port)));
    let listener = match wanted {
        Some(Ok(listener)) => Ok(listener),
        _ => TcpListener::bind((centre.ip(), 0)),
    };
    listener.map_err(|e| format!("No port can be had beside {centre}: {e}."))
}
