//! The page that shows the three sites side by side while the walk goes on, without a script.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::rt::System;
use actix_web::web::{self, Data, Path};
use actix_web::{App, HttpResponse, HttpServer};

use super::house::{Clinic, House, Site, beside};
use super::known::{Known, rows};
use super::sample::NAME;
use super::stage::{Line, Scene, Stage};
use super::walk::{Sites, Walk};
use crate::node::status::{Row, escaped};

/// How the page looks.
const STYLE: &str = include_str!("board.css");

/// What the page shows.
pub struct Board {
    stage: Arc<Stage>,
    sites: Arc<Sites>,
}

impl Board {
    /// Opens the page beside the centre; its address.
    ///
    /// # Errors
    /// A sentence where no port or thread can be had.
    pub fn open(house: &House, stage: Arc<Stage>, sites: Arc<Sites>) -> Result<String, String> {
        let listener = beside(sites.centre.address, 3)?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let (board, stopped) = (Data::new(Board { stage, sites }), house.stopped());
        house.run("page", move || {
            let failed = |e: std::io::Error| format!("The page cannot be shown: {e}.");
            let app = move || {
                App::new()
                    .app_data(board.clone())
                    .route("/", web::get().to(shown))
                    .route("/continue/{step}", web::post().to(go_on))
                    .route("/line/{clinic}/{what}", web::post().to(switch))
            };
            System::new().block_on(async move {
                let server = HttpServer::new(app).workers(1).shutdown_timeout(1).disable_signals();
                let server = server.listen(listener).map_err(failed)?.run();
                let handle = server.handle();
                actix_web::rt::spawn(async move {
                    stopped.await;
                    handle.stop(true).await;
                });
                server.await.map_err(failed)
            })
        })?;
        Ok(format!("http://{address}/"))
    }
}

/// What is said when the walk is over: where to go on looking.
pub fn after(walk: &Walk) {
    let (stage, centre) = (&walk.stage, &walk.sites.centre);
    stage.say("All goes on running, and the page has switches for both lines: try it yourself. The centre also has sample patients:");
    let search = |what: &str, path: &str| stage.look(what, &centre.url(path));
    search("A patient by her name", "fhir/Patient?name=ordonez&_pretty=true");
    search(
        "Weights since 2018",
        "fhir/Observation?code=29463-7&date=ge2018&_sort=-date&_count=3",
    );
    search("A place by any word", "fhir/Location?_content=paro");
    search("What was written last", "fhir/_history?_count=5");
    stage.say("Ctrl-C stops it.");
}

async fn shown(board: Data<Board>) -> HttpResponse {
    let page = web::block(move || page(&board.stage.scene(), &board.sites)).await;
    match page {
        Ok(page) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(page),
        Err(_) => HttpResponse::InternalServerError().body("The page cannot be shown now.\n"),
    }
}

async fn go_on(board: Data<Board>, step: Path<usize>) -> HttpResponse {
    board.stage.go_on(*step);
    back()
}

/// Cuts or mends the line of a clinic, once the walk is over: before, the walk does.
async fn switch(board: Data<Board>, asked: Path<(usize, String)>) -> HttpResponse {
    let clinic = board.sites.clinics().into_iter().nth(asked.0);
    if let Some(clinic) = clinic.filter(|_| board.stage.scene().is_over) {
        match asked.1.as_str() {
            "cut" => clinic.line.cut(),
            _ => clinic.line.mend(),
        }
    }
    back()
}

fn back() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/")).finish()
}

/// The page. A site that does not answer is shown as such.
fn page(scene: &Scene, sites: &Sites) -> String {
    let of = |site: &Site| Known::of(site, sites.patient()).unwrap_or_default();
    let all = sites.all().map(of);
    let centre = card(
        &sites.centre,
        &all[0],
        &all,
        "centre",
        &of_centre(sites),
        sites.patient(),
    );
    let clinics: String = (1..)
        .zip(sites.clinics())
        .map(|(place, clinic)| {
            let row = rows(&clinic.site).ok().and_then(|rows| rows.into_iter().next());
            let line = line(clinic, row.as_ref(), scene.is_over.then_some(place - 1));
            card(&clinic.site, &all[place], &all, "clinic", &line, sites.patient())
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"refresh\" content=\"2\"><title>{}</title><style>{STYLE}</style></head><body>\
         <header>{}</header><main>{centre}{clinics}</main>{}</body></html>",
        escaped(scene.title),
        heading(scene),
        happened(scene)
    )
}

fn heading(scene: &Scene) -> String {
    let number = match (scene.is_over, scene.step) {
        (true, _) => "The end".to_owned(),
        (_, 0) => "In a moment".to_owned(),
        (_, step) => format!("Step {step} of {}", scene.of),
    };
    let button = match scene.waits {
        true => format!(
            "<form method=\"post\" action=\"/continue/{}\"><button autofocus>Continue</button></form>",
            scene.step
        ),
        false => String::new(),
    };
    let (title, before) = (escaped(scene.title), escaped(scene.before));
    format!(
        "<p class=\"number\">{number}</p><h1>{title}</h1><p class=\"before\">{before}</p>\
         <progress max=\"{}\" value=\"{}\">{number}</progress>{button}",
        scene.of, scene.step
    )
}

/// What the centre says of the clinics.
fn of_centre(sites: &Sites) -> String {
    let (clinics, rows) = (sites.clinics(), rows(&sites.centre).unwrap_or_default());
    let connected = clinics.iter().filter(|clinic| !clinic.line.is_cut()).count();
    let is_all = connected == clinics.len();
    let synced = rows.iter().filter(|row| row.synced).count();
    let (class, said) = match (is_all, synced == clinics.len()) {
        (true, true) => ("well", "they have everything, and have sent everything"),
        (true, false) => ("waits", "they are exchanging"),
        _ => ("waits", "what is written where the line is cut is not known here"),
    };
    let all = clinics.len();
    format!("<p class=\"line {class}\"><b>{connected} of {all} clinics are connected</b> {said}</p>")
}

/// What a clinic's line is like, and its switch where the viewer may use it.
fn line(clinic: &Clinic, row: Option<&Row>, switch: Option<usize>) -> String {
    let is_cut = clinic.line.is_cut();
    let unsent = row.and_then(|row| row.unsent).unwrap_or(0);
    let since = row
        .and_then(|row| row.oldest.as_deref())
        .and_then(|oldest| oldest.get(11..16));
    let (class, state) = match (is_cut, row.is_some_and(|row| row.synced)) {
        (true, _) => ("cut", "The line is cut"),
        (_, true) => ("well", "Connected"),
        _ => ("waits", "Connected, exchanging"),
    };
    let sent = match since {
        Some(since) if unsent > 0 => format!("{unsent} not sent, since {since} UTC"),
        _ => "everything is sent".to_owned(),
    };
    let button = switch.map_or(String::new(), |place| {
        let (what, text) = match is_cut {
            true => ("mend", "Mend the line"),
            false => ("cut", "Cut the line"),
        };
        format!("<form method=\"post\" action=\"/line/{place}/{what}\"><button>{text}</button></form>")
    });
    format!("<p class=\"line {class}\"><b>{state}</b> {sent}</p>{button}")
}

fn card(site: &Site, known: &Known, all: &[Known; 3], class: &str, line: &str, patient: &str) -> String {
    type Said = fn(&Known) -> String;
    let visits: Said = |known| match known.visits {
        0 => String::new(),
        1 => "1 visit".to_owned(),
        more => format!("{more} visits"),
    };
    let facts: [(&str, Said); 5] = [
        ("Telephone", |known| known.telephone.clone()),
        ("Lives in", |known| known.address.clone()),
        ("Born", |known| known.born.clone()),
        ("Allergic to", |known| known.allergies.clone()),
        ("Visits", visits),
    ];
    let fact = |(name, said): (&str, Said)| {
        let own = said(known);
        let differs = all.iter().any(|other| said(other) != own);
        let (class, note) = match differs {
            true => (" class=\"differs\"", " <small>not the same everywhere</small>"),
            false => ("", ""),
        };
        let own = match own.is_empty() {
            true => "<span>nothing known</span>".to_owned(),
            false => escaped(&own),
        };
        format!("<div{class}><dt>{name}</dt><dd>{own}{note}</dd></div>")
    };
    let body = match known.born.is_empty() {
        true => "<p class=\"nobody\">No record of her yet.</p>".to_owned(),
        false => format!("<dl>{}</dl>{}", facts.map(fact).concat(), question(site, known)),
    };
    let name = escaped(site.name);
    format!(
        "<section class=\"{class}\"><h2>{name}</h2>{line}<h3>{NAME}</h3>{body}{}</section>",
        links(site, patient)
    )
}

fn question(site: &Site, known: &Known) -> String {
    let link = |id: &String| {
        let url = site.url(&format!("fhir/Task/{}?_pretty=true", escaped(id)));
        format!(
            "<p class=\"question\"><b>A question for a person:</b> <a href=\"{url}\">which date of birth is right?</a></p>"
        )
    };
    known.questions.iter().map(link).collect()
}

fn links(site: &Site, patient: &str) -> String {
    let link = |(text, path): (&str, String)| format!("<a href=\"{}\">{text}</a>", site.url(&path));
    let mut links = vec![("The line", "sync".to_owned())];
    if !patient.is_empty() {
        links.push(("Her record", format!("fhir/Patient/{patient}?_pretty=true")));
        links.push(("Its history", format!("fhir/Patient/{patient}/_history?_pretty=true")));
    }
    format!("<nav>{}</nav>", links.into_iter().map(link).collect::<String>())
}

/// What was said and done in the step.
fn happened(scene: &Scene) -> String {
    let line = |line: &Line| match line {
        Line::Said(text) => format!("<p>{}</p>", escaped(text)),
        Line::Done(command) => format!("<pre>{}</pre>", escaped(command)),
        Line::Look(what, url) => format!(
            "<p class=\"look\"><a href=\"{0}\">{1}</a></p>",
            escaped(url),
            escaped(what)
        ),
    };
    match scene.lines.is_empty() {
        true => String::new(),
        false => format!(
            "<aside><h2>{}</h2>{}</aside>",
            if scene.waits {
                "What happened before"
            } else {
                "What happened"
            },
            scene.lines.iter().map(line).collect::<String>()
        ),
    }
}
