//! `dpkg-realpath`: where a path leads.

use super::command_line::CommandLine;
use imgfix_shell::{Process, Status};

/// `dpkg-realpath PATH`.
///
/// # Errors
/// Another root than the image's.
pub fn run(process: &mut Process<'_>) -> Status {
    let line = CommandLine::of(process, &["root", "instdir"])?;
    let mut end = b"\n";
    for option in &line.options {
        match option.name.as_str() {
            "z" | "zero" => end = b"\0",
            "root" | "instdir" if matches!(option.text().as_str(), "" | "/") => {}
            name => return Err(process.unsupported(format!("option {name}"))),
        }
    }
    let [path] = line.operands.as_slice() else {
        return Err(process.unsupported("no path, or several"));
    };
    let path = path.to_vec();
    match process.follow(&path)? {
        Ok(real) => process.print([real.as_bytes(), end].concat())?,
        Err(errno) => return Err(super::files::unusable(process, &path, errno)),
    }
    Ok(0)
}
