//! Measures clinics and their centre: bytes on the wire, all clinics coming back at once, one clinic's first day.

mod clinic;
mod counter;
mod country;
mod first_day;
mod together;
mod wire;

const USAGE: &str = "\
usage: cargo run --release -p tests --bin clinics -- WHAT
  wire                   what a day, a month and a new clinic take on the wire
  train FILE             makes the dictionary of the wire from synthetic visits
  together [options]     all clinics come back at once, each with what it wrote while it was cut off
    --clinics N          how many (default 236)
    --visits N           visits that each wrote (default 165, three days of 55; 1650 is a month)
    --asked N            questions a second that people ask the centre meanwhile (default 20)
  first-day [options]    a clinic is filled, killed, started again and searched: how long it takes, and how much memory
    --people N           how many people (default 250)
    --visits A..B        their visits in these years (default 2024..2025)
    --kills N            how often it is killed on the way (default 3)
    --memory MIB         how much memory it may use, page cache included
    --centre FOLDER      a centre's data that are there, in place of people and visits made anew; it gets one node more";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["wire"] => wire::measure(),
        ["train", file] => wire::train(file),
        ["together", options @ ..] => match together::Plan::read(options) {
            Some(plan) => together::measure(&plan),
            None => refused(),
        },
        ["first-day", options @ ..] => match first_day::Plan::read(options) {
            Some(plan) => first_day::measure(&plan),
            None => refused(),
        },
        _ => refused(),
    }
}

fn refused() {
    eprintln!("{USAGE}");
    std::process::exit(2);
}
