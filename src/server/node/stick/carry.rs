//! `epis sync carry`: reads what a stick brings, and writes what it takes along.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use interaction::answer_node::Exchange;
use interaction::engine::now;

use super::super::authority::{Authority, Key, fingerprint};
use super::super::hex::{hex, unhex};
use super::super::identity::{self, Identity};
use super::super::register::Register;
use super::super::{kept, orders};
use super::errand::{Done, Errand, Host};
use super::letter::{self, Letter, Outside, Unread};
use crate::progress::Progress;
use crate::settings::Settings;

/// What is wished for.
#[derive(Debug)]
pub(crate) struct Wish {
    /// The stick's folder.
    pub folder: PathBuf,
    /// At the centre: the one node that is written for, whether it asked or not.
    pub node: Option<u32>,
    /// At the centre: take what retired nodes wrote.
    pub retired: bool,
    /// Bytes of records in one file, and one segment more at most.
    pub size_max: u64,
}

/// The two sides of a stick.
enum Side {
    Clinic(Identity, Key),
    Centre(Authority),
}

/// Carries: at a clinic or at the centre, as the data folder is. Ends with 1 where a file was refused.
///
/// # Errors
/// A sentence where nothing could be done.
pub(crate) fn carry(settings: &Settings, wish: &Wish) -> Result<ExitCode, String> {
    if !wish.folder.is_dir() {
        return Err(format!("{} is no folder: is the stick mounted?", wish.folder.display()));
    }
    let side = Side::of(settings)?;
    let desk = Desk::of(settings, &side)?;
    let refused = match &side {
        Side::Clinic(identity, key) => clinic(&desk, wish, identity, key)?,
        Side::Centre(authority) => centre(&desk, wish, authority)?,
    };
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Side {
    fn of(settings: &Settings) -> Result<Side, String> {
        if let Some(identity) = identity::of(settings)? {
            let (_, key) = identity.certified(&settings.data)?;
            return Ok(Side::Clinic(identity, key));
        }
        let folder = orders::folder(&settings.data);
        match folder.join("authority.key").exists() {
            true => Authority::open(&folder).map(Side::Centre),
            false => Err(format!(
                "The data folder {} is neither of a clinic nor of a centre that has clinics; name another with --data.",
                settings.data
            )),
        }
    }
}

/// Where errands are run: by the server on the data folder where one runs, else here, which takes the records for this
/// command alone.
enum Desk {
    There(PathBuf),
    Here(Host),
}

impl Desk {
    fn of(settings: &Settings, side: &Side) -> Result<Desk, String> {
        let folder = match side {
            Side::Clinic(..) => identity::folder(&settings.data),
            Side::Centre(_) => orders::folder(&settings.data),
        };
        if orders::are_taken(&folder) {
            return Ok(Desk::There(folder));
        }
        let generations = crate::engine::open(settings, false)?;
        Ok(Desk::Here(match side {
            Side::Clinic(..) => Host::Clinic(generations, settings.data.clone(), None),
            Side::Centre(_) => {
                let register = Register::open(Box::new(kept::Kept(Arc::clone(&generations))))?;
                let register = register.leasing(settings.node_lease_days);
                Host::Centre(generations, Arc::new(Exchange::default()), Arc::new(register))
            }
        }))
    }

    /// Runs an errand on what a letter says, and shows how far it is.
    fn run(&self, what: &'static str, errand: &Errand, brought: Brought) -> Result<(Done, Vec<u8>), String> {
        let progress = Progress::new(what, brought.bytes);
        let mut said = Counted {
            said: brought.said,
            progress: &progress,
        };
        progress.show_during(|| match self {
            Desk::There(folder) => orders::errand(folder, errand, &mut said),
            Desk::Here(host) => host.run(errand, &mut said),
        })
    }
}

/// What a letter says, and how many bytes it has.
struct Brought {
    said: Box<dyn Read + Send>,
    bytes: u64,
}

impl Brought {
    fn nothing() -> Brought {
        Brought {
            said: Box::new(io::empty()),
            bytes: 0,
        }
    }
}

struct Counted<'a> {
    said: Box<dyn Read + Send>,
    progress: &'a Progress,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.said.read(into)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}

fn to_centre(number: u32) -> String {
    format!("node-{number}-to-centre.epis")
}

fn to_node(number: u32) -> String {
    format!("centre-to-node-{number}.epis")
}

/// At a clinic: takes the centre's answer, and writes what the centre lacks. Whether a file was refused.
fn clinic(desk: &Desk, wish: &Wish, identity: &Identity, key: &Key) -> Result<bool, String> {
    let shared = identity.shared()?;
    let name = to_node(identity.number);
    let path = wish.folder.join(&name);
    let mut refused = false;
    let brought = match path.exists() {
        true => answer(&path, identity, &shared),
        false => Ok(None),
    };
    let brought = brought.unwrap_or_else(|why| {
        refused = true;
        println!("{name}: {why}");
        None
    });
    let was_there = brought.is_some();
    let load = wish.size_max;
    let (done, frames) = desk.run(
        "Taking",
        &Errand::Ask { load },
        brought.unwrap_or_else(Brought::nothing),
    )?;
    if was_there {
        let said = if done.refused.is_empty() {
            &done.taken
        } else {
            &done.refused
        };
        println!("{name}: {said}");
        refused |= !done.refused.is_empty();
    } else if !refused {
        println!(
            "There is nothing of the centre for this clinic, node {}, on the stick.",
            identity.number
        );
    }
    let outside = Outside {
        from: done.number,
        to: 0,
        written: now(),
        signer: public(key.public())?,
    };
    let name = to_centre(done.number);
    let bytes = letter::write(outside, &frames, &shared, key)?;
    put(&wish.folder, &name, &bytes)?;
    println!("{name}: {} Carry it to the centre ({} bytes).", done.said, bytes.len());
    Ok(refused)
}

/// What the centre says in a file to this clinic.
fn answer(path: &Path, identity: &Identity, shared: &[u8; 32]) -> Result<Option<Brought>, String> {
    let letter = checked(path)?;
    let outside = letter.outside;
    if outside.to != identity.number {
        return Err(format!(
            "It is for node {}; this is node {} ({}).",
            outside.to, identity.number, identity.name
        ));
    }
    if fingerprint(&outside.signer).as_slice() != identity.authority()? {
        return Err(format!(
            "It is not signed by {}, this clinic's centre.",
            identity.centre
        ));
    }
    opened(letter, path, shared).map(Some)
}

fn checked(path: &Path) -> Result<Letter<File>, String> {
    let file = File::open(path).map_err(|e| format!("It cannot be read: {e}."))?;
    Letter::check(file).map_err(|why| unread(&why))
}

fn opened(letter: Letter<File>, path: &Path, shared: &[u8; 32]) -> Result<Brought, String> {
    let bytes = fs::metadata(path).map_or(0, |found| found.len());
    let said = letter.open(shared).map_err(|why| unread(&why))?;
    Ok(Brought {
        said: Box::new(said),
        bytes,
    })
}

fn unread(why: &Unread) -> String {
    format!("It {why}.")
}

/// At the centre: takes what each node wrote, and writes an answer. Whether a file was refused.
fn centre(desk: &Desk, wish: &Wish, authority: &Authority) -> Result<bool, String> {
    let asked = requests(&wish.folder)?;
    let wanted = |number: &&u32| wish.node.is_none_or(|wished| wished == **number);
    let mut refused = false;
    for number in asked.iter().filter(wanted) {
        let name = to_centre(*number);
        if let Err(why) = one(desk, wish, authority, *number, Some(&wish.folder.join(&name))) {
            refused = true;
            println!("{name}: {why}");
        }
    }
    match wish.node.filter(|number| !asked.contains(number)) {
        Some(number) => one(desk, wish, authority, number, None)?,
        None if asked.is_empty() => {
            return Err(
                "There is nothing of a clinic on the stick. For a clinic that has written nothing on it, name its number with \
                --for."
                    .to_owned(),
            );
        }
        None => {}
    }
    Ok(refused)
}

/// The numbers of the nodes that have a request on a stick, in order.
fn requests(folder: &Path) -> Result<Vec<u32>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{} cannot be read: {e}.", folder.display()))?;
    let number = |entry: io::Result<fs::DirEntry>| -> Option<u32> {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let number = name.strip_prefix("node-")?.strip_suffix("-to-centre.epis")?;
        number.parse().ok().filter(|number| name == to_centre(*number))
    };
    let mut numbers: Vec<u32> = entries.filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Takes what one node wrote, where it wrote anything, and answers it.
fn one(desk: &Desk, wish: &Wish, authority: &Authority, number: u32, path: Option<&Path>) -> Result<(), String> {
    let (mut key, mut brought) = (None, Brought::nothing());
    if let Some(path) = path {
        let letter = checked(path)?;
        let outside = letter.outside;
        if (outside.from, outside.to) != (number, 0) {
            return Err("It is not what its name says: it was written by, or for, somebody else.".to_owned());
        }
        brought = opened(letter, path, &authority.shared(&outside.signer))?;
        key = Some(hex(&outside.signer));
    }
    let errand = Errand::Answer {
        node: number,
        key,
        room: wish.size_max,
        retired: wish.retired,
    };
    let (done, frames) = desk.run("Taking", &errand, brought)?;
    if path.is_some() {
        println!("{}: {}", to_centre(number), done.taken);
    }
    if frames.is_empty() {
        return Ok(());
    }
    let node = unhex(&done.key).ok_or("The register of nodes is damaged.")?;
    let outside = Outside {
        from: 0,
        to: number,
        written: now(),
        signer: public(authority.key().public())?,
    };
    let bytes = letter::write(outside, &frames, &authority.shared(&node), authority.key())?;
    put(&wish.folder, &to_node(number), &bytes)?;
    println!("{}: {} ({} bytes)", to_node(number), done.said, bytes.len());
    Ok(())
}

fn public(key: &[u8]) -> Result<[u8; 32], String> {
    key.try_into()
        .map_err(|_| "A key of this machine is damaged.".to_owned())
}

/// Writes a file whole or not at all: it is on the stick once this has returned, or what was there before still is.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let (new, path) = (folder.join(format!("{name}.new")), folder.join(name));
    let progress = Progress::new("Writing", bytes.len() as u64);
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        for piece in bytes.chunks(1 << 20) {
            file.write_all(piece)?;
            progress.advance(piece.len() as u64);
        }
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    progress.show_during(write).map_err(|e| {
        // What was begun is of no use to anybody; where it cannot be removed either, the next one is written over it.
        let _ = fs::remove_file(&new);
        match e.kind() {
            io::ErrorKind::StorageFull => format!(
                "The stick is full: {name} needs {} bytes beside what is on it. Nothing is lost; make room or take another one, and \
                give the command again.",
                bytes.len()
            ),
            _ => format!("{name} cannot be written on the stick: {e}. Nothing is lost; give the command again."),
        }
    })
}
