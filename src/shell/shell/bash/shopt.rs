//! `shopt`.

use bstr::BString;

use crate::Stop;
use crate::shell::Shell;
use crate::shell::flow::{Eval, Failure};

/// `shopt -s NAME...` and `-u`; options that change what is not evaluated here stop.
pub(in crate::shell) fn shopt(shell: &mut Shell<'_>, argv: &[BString], _: Failure) -> Eval {
    let mut on = None;
    let mut quiet = false;
    let mut rest = argv.get(1..).unwrap_or_default();
    while let Some(option) = rest.first().filter(|word| word.starts_with(b"-")) {
        match &option[..] {
            b"-s" => on = Some(true),
            b"-u" => on = Some(false),
            b"-q" => quiet = true,
            _ => return Err(Stop::new(format!("shopt with {option}")).into()),
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    if rest.is_empty() {
        return Err(Stop::new("a list of options (shopt)").into());
    }
    let mut status = 0;
    for name in rest {
        let options = &mut shell.state.shell_options;
        let place = match &name[..] {
            b"nullglob" => &mut options.null_glob,
            b"dotglob" => &mut options.dot_glob,
            b"failglob" => &mut options.fail_glob,
            b"inherit_errexit" => &mut options.inherit_errexit,
            // Off in scripts, and nothing here depends on it.
            b"expand_aliases" | b"checkwinsize" if on == Some(false) => continue,
            b"extglob" | b"nocasematch" | b"globstar" | b"nocaseglob" | b"lastpipe"
                if on == Some(false) =>
            {
                continue;
            }
            _ => return Err(Stop::new(format!("shopt {name}")).into()),
        };
        match on {
            Some(on) => *place = on,
            None if quiet => status |= u8::from(!*place),
            None => return Err(Stop::new("a list of options (shopt)").into()),
        }
    }
    Ok(status)
}
