//! Measures clinics and their centre: bytes on the wire, and all clinics coming back at once.

mod clinic;
mod counter;
mod country;
mod together;
mod wire;

const USAGE: &str = "\
usage: cargo run --release -p tests --bin clinics -- WHAT
  wire                   what a day, a month and a new clinic take on the wire
  train FILE             makes the dictionary of the wire from synthetic visits
  together [options]     all clinics come back at once, each with what it wrote while it was cut off
    --clinics N          how many (default 236)
    --visits N           visits that each wrote (default 165, three days of 55; 1650 is a month)
    --asked N            questions a second that people ask the centre meanwhile (default 20)";

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
        _ => refused(),
    }
}

fn refused() {
    eprintln!("{USAGE}");
    std::process::exit(2);
}
