//! `mountpoint` (util-linux): whether something is mounted at a place, as it is while a
//! container image is built: `/proc` is mounted.

use imgfix_shell::{Process, Status};

/// `mountpoint -q /proc`: it is one.
///
/// # Errors
/// Another place: what is mounted there only a running system knows.
pub fn run(process: &mut Process<'_>) -> Status {
    let mut places = process.arguments().iter().filter(|word| *word != "-q" && *word != "--quiet");
    match (places.next(), places.next()) {
        (Some(place), None) if place == "/proc" => Ok(0),
        _ => Err(process.unsupported("another place than /proc")),
    }
}

#[cfg(test)]
mod tests {
    use imgfix_tools::testing::{Image, run};

    #[test]
    fn proc_is_mounted_and_of_other_places_nothing_is_known() {
        let mut image = Image::with(&["/x/"], &[("mountpoint", super::run)]);
        assert_eq!(run(&mut image, "mountpoint -q /proc"), 0);
        assert_eq!(image.stop("mountpoint /mnt"), "mountpoint with another place than /proc");
    }
}
