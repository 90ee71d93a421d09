//! The program `epis`.

/// The C library's allocator keeps twice of what is in use on the day on which a clinic gets years of records (decision 24). SQLite
/// and the compression use this one too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    server::command::run()
}
