//! The walk: the three sites, whom it is about, and the means of its steps.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::board::{self, Board};
use super::house::{Clinic, House, Site};
use super::known::{Known, rows};
use super::request::Request;
use super::stage::Stage;
use super::steps::STEPS;
use super::{country, sample};
use crate::node::horizon::Horizon;
use crate::node::orders::Order;
use crate::node::private;
use crate::node::status::Row;
use crate::settings::Settings;

/// The gewogs of both clinics: herders of both valleys come to both.
const GEWOGS: [&str; 2] = ["0403", "0404"];

/// The three sites.
pub struct Sites {
    /// The centre.
    pub centre: Site,
    /// The clinics.
    pub laya: Clinic,
    /// The other one.
    pub lunana: Clinic,
    /// The id of the patient's record, once she is registered.
    pub patient: OnceLock<String>,
}

/// The walk.
pub struct Walk {
    /// What the viewer sees.
    pub stage: Arc<Stage>,
    /// The sites.
    pub sites: Arc<Sites>,
    /// Where the page is that shows them side by side.
    page: String,
    /// The folder of bodies that are too long for a line of curl.
    requests: PathBuf,
    asked: usize,
}

impl Sites {
    /// All three, the centre first.
    pub fn all(&self) -> [&Site; 3] {
        [&self.centre, &self.laya.site, &self.lunana.site]
    }

    /// The clinics.
    pub fn clinics(&self) -> [&Clinic; 2] {
        [&self.laya, &self.lunana]
    }

    /// The id of the patient's record; empty before she is registered.
    pub fn patient(&self) -> &str {
        self.patient.get().map_or("", String::as_str)
    }
}

impl Walk {
    /// Starts the servers, loads the samples, enrols the clinics, and opens the page.
    ///
    /// # Errors
    /// A sentence where one of these cannot be done.
    pub fn begin(settings: &Settings, house: &House, stage: Arc<Stage>) -> Result<Walk, String> {
        let requests = Path::new(&settings.data).join("requests");
        private::folder(&requests)?;
        stage.say("A national centre and two clinics are started on this machine; nobody else can reach them.");
        let centre = house.centre(settings)?;
        stage.say(&country::load(&centre.generations, Path::new(&centre.data))?);
        let begin = |name: &'static str, folder: &str, after: u16| {
            let order = Order::Invite {
                name: name.to_owned(),
                horizon: Horizon::read(&GEWOGS.map(str::to_owned), "5y", None)?,
            };
            house.clinic(settings, &centre, (name, folder, after), &order, &|command| {
                stage.done(command)
            })
        };
        let (laya, lunana) = (begin("Laya BHU", "laya", 1)?, begin("Lunana BHU", "lunana", 2)?);
        let sites = Arc::new(Sites {
            centre,
            laya,
            lunana,
            patient: OnceLock::new(),
        });
        stage.say("Both clinics are enrolled: each has a key of its own, and the line to the centre is encrypted.");
        let page = Board::open(house, Arc::clone(&stage), Arc::clone(&sites))?;
        let walk = Walk {
            stage,
            sites,
            page,
            requests,
            asked: 0,
        };
        walk.stage.until("both clinics have the places of the country", || {
            Ok(rows(&walk.sites.centre)?.iter().all(|row| row.synced))
        })?;
        walk.addresses();
        let stage = Arc::clone(&walk.stage);
        std::thread::spawn(move || stage.listen());
        Ok(walk)
    }

    fn addresses(&self) {
        self.stage.look("All three, side by side", &self.page);
        for site in self.sites.all() {
            self.stage.look(site.name, &site.url("fhir"));
        }
    }

    /// Goes through all steps.
    ///
    /// # Errors
    /// A sentence that says in which step something was not as told, and what.
    pub fn go(&mut self) -> Result<(), String> {
        for (number, step) in (1..).zip(&STEPS) {
            self.stage.begin((number, STEPS.len()), step.title, step.before);
            (step.act)(self).map_err(|why| format!("Step {number} ({}) did not come as told. {why}", step.title))?;
        }
        self.stage.end(
            "That was the walk",
            "Nothing that was written while the line was cut was lost, nothing was overwritten in silence, and the one thing that \
            only a person can know was asked of a person.",
        );
        board::after(self);
        Ok(())
    }

    /// Asks something that changes records, and shows how it is done with curl.
    ///
    /// # Errors
    /// A sentence where it is refused.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<Value, String> {
        self.asked += 1;
        let name = format!("{:02}", self.asked);
        self.stage.done(&request.curl(&self.requests, &name)?);
        let (status, body) = request.send()?;
        match status {
            200 | 201 => Ok(body),
            _ => Err(format!(
                "The server answered {status} to {} {}.",
                request.method, request.path
            )),
        }
    }

    /// Changes elements of the patient's record at a site.
    ///
    /// # Errors
    /// As [`Walk::ask`].
    pub fn change(&mut self, sites: &Sites, site: &Site, elements: &[(&str, Value)]) -> Result<(), String> {
        let path = format!("fhir/Patient/{}", sites.patient());
        let request = Request::patch(site.address, path, &sample::changes(elements));
        self.ask(&request).map(drop)
    }

    /// Makes sure that a site knows just this of the patient.
    ///
    /// # Errors
    /// A sentence that says what it knows instead.
    pub fn expect(&self, site: &Site, expected: &Known) -> Result<(), String> {
        let found = Known::of(site, self.sites.patient())?;
        match found == *expected {
            true => Ok(()),
            false => Err(format!("{} shows {found:?} and not {expected:?}.", site.name)),
        }
    }

    /// What a clinic says of itself.
    ///
    /// # Errors
    /// A sentence where it does not answer.
    pub fn row(&self, clinic: &Clinic) -> Result<Row, String> {
        let row = rows(&clinic.site)?.into_iter().next();
        row.ok_or_else(|| format!("{} does not know that it is a clinic.", clinic.site.name))
    }

    /// Waits until both clinics and the centre have everything of each other.
    ///
    /// # Errors
    /// A sentence where they do not within two minutes.
    pub fn until_all_know(&self, what: &str, holds: impl Fn(&Known) -> bool) -> Result<(), String> {
        let sites = &self.sites;
        self.stage.until(what, || {
            for site in sites.all() {
                if !holds(&Known::of(site, sites.patient())?) {
                    return Ok(false);
                }
            }
            for clinic in sites.clinics() {
                if !self.row(clinic)?.synced {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Shows where the record is to be seen.
    pub fn look_at_records(&self, path: &str) {
        for site in self.sites.all() {
            let url = site.url(&format!("fhir/Patient/{}{path}", self.sites.patient()));
            self.stage.look(&format!("Her record, {}", site.name), &url);
        }
    }

    /// Shows where it is to be seen how far the clinics are.
    pub fn look_at_line(&self) {
        for site in self.sites.all() {
            self.stage.look(&format!("The line, {}", site.name), &site.url("sync"));
        }
    }
}
