//! `epis demo`: a centre and two clinics on this machine, and a walk through a line that is cut and comes back.

mod board;
mod country;
mod house;
mod known;
mod request;
mod sample;
mod samples;
mod stage;
mod steps;
mod switch;
mod walk;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::rt::System;
use tokio::sync::oneshot;

use crate::node::private;
use crate::settings::Settings;
use house::House;
use stage::Stage;
use walk::Walk;

/// The folder of a demonstration for which none is named; it is removed at the end.
pub fn temporary() -> PathBuf {
    std::env::temp_dir().join(format!("epis-demo-{}", std::process::id()))
}

/// Starts the three servers, and walks through the steps: with a viewer, who presses Enter before each and may look around
/// afterwards until Ctrl-C; or unattended, where the first step that does not come as told ends it.
///
/// # Errors
/// A sentence where a server cannot be started, or what came is not what was told.
pub fn demo(settings: Settings, is_unattended: bool) -> Result<ExitCode, String> {
    let folder = Folder::new(&settings.data)?;
    let is_unattended = is_unattended || !std::io::stdin().is_terminal();
    let stage = Arc::new(Stage::new(is_unattended));
    let house = Arc::new(House::default());
    let (ended, end) = oneshot::channel();
    let (own_stage, own_house) = (Arc::clone(&stage), Arc::clone(&house));
    let guide = move || {
        let walked = Walk::begin(&settings, &own_house, own_stage).and_then(|mut walk| walk.go());
        // Nobody listens any more where the viewer has stopped it.
        let _ = ended.send(walked);
    };
    let thread = std::thread::Builder::new().name("guide".to_owned()).spawn(guide);
    thread.map_err(|e| format!("No thread can be had for the walk: {e}."))?;
    let outcome = System::new().block_on(async {
        let told = crate::serve::told_to_stop();
        tokio::pin!(told);
        tokio::select! {
            walked = end => {
                walked.unwrap_or_else(|_| Err("The walk ended by a fault of the program.".to_owned()))?;
                if !is_unattended {
                    told.await;
                }
                Ok(())
            }
            () = &mut told => match is_unattended {
                true => Err("Stopped before the walk was over.".to_owned()),
                false => Ok(()),
            }
        }
    });
    let closed = house.close();
    outcome.and(closed)?;
    stage.say(match folder.is_temporary {
        true => "Stopped. Nothing is left of it.",
        false => "Stopped. The data stays for the next run.",
    });
    Ok(ExitCode::SUCCESS)
}

/// The folder that everything is kept in.
struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    fn new(data: &str) -> Result<Folder, String> {
        let path = PathBuf::from(data);
        let is_temporary = path == temporary();
        match is_temporary {
            true => private::folder(&path)?,
            false => std::fs::create_dir_all(&path).map_err(|e| format!("The folder {data} cannot be made: {e}."))?,
        }
        Ok(Folder { path, is_temporary })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            // What is left is in the system's folder for what may be thrown away.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
