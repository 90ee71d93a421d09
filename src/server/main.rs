//! The program `epis`.

fn main() -> std::process::ExitCode {
    server::command::run()
}
