//! Paths that a pattern fits (`glob(3)`), for `rpm.glob`.

use imgfix_shell::fnmatch;

use super::host::Host;

/// The most paths of one pattern.
const MAX_PATHS: usize = 100_000;

/// The paths that a pattern fits, sorted by bytes.
///
/// # Errors
/// A folder of a running system; more paths than any script looks at.
pub fn matching(host: &mut Host, pattern: &[u8]) -> mlua::Result<Vec<Vec<u8>>> {
    let is_absolute = pattern.first() == Some(&b'/');
    let mut found = vec![if is_absolute { b"/".to_vec() } else { Vec::new() }];
    for part in pattern.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in &found {
            for name in names(host, folder, part)? {
                let glue: &[u8] =
                    if folder.is_empty() || folder.ends_with(b"/") { b"" } else { b"/" };
                next.push([folder, glue, &name].concat());
                if next.len() > MAX_PATHS {
                    return Err(host.refuse("Lua's rpm.glob with too many paths"));
                }
            }
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

/// The names in a folder that a part fits. A period in front has to be in the pattern.
fn names(host: &mut Host, folder: &[u8], part: &[u8]) -> mlua::Result<Vec<Vec<u8>>> {
    let directory = host.directory.clone();
    let folder = if folder.is_empty() { b".".as_slice() } else { folder };
    if !part.iter().any(|b| b"*?[".contains(b)) {
        let path = [folder, b"/", part].concat();
        let entry = host.machine.lstat(&directory, &path);
        return Ok(host.sys(entry)?.map_or_else(|_| Vec::new(), |_| vec![part.to_vec()]));
    }
    let names = host.machine.read_dir(&directory, folder);
    let mut names = host.sys(names)?.unwrap_or_default();
    let spent = host.machine.spend_items(names.len());
    host.done(spent)?;
    let dots = part.first() == Some(&b'.');
    names.retain(|name| (dots || name.first() != Some(&b'.')) && fnmatch::matches(part, name));
    Ok(names)
}
