//! The `imgfix` program: parses arguments, calls the library, maps the outcome to an exit
//! code. Results go to stdout, progress and errors to stderr.

use std::process::ExitCode;

fn main() -> ExitCode {
    imgfix::cli::main()
}
