//! Pathname expansion over the machine's files, sorted by bytes.

use bstr::BString;

use super::field::{self, Byte};
use super::pattern;
use crate::Stop;
use crate::shell::{Dialect, Shell};

impl Shell<'_> {
    /// Adds the paths that a field matches, or the field itself.
    pub(super) fn pathnames(
        &mut self,
        field: Vec<Byte>,
        all: &mut Vec<BString>,
    ) -> Result<(), Stop> {
        if self.state.options.no_glob || !has_pattern(&field) {
            all.push(field::text(&field));
            return Ok(());
        }
        let mut found = Vec::new();
        let components: Vec<&[Byte]> = field.split(|byte| byte.value == b'/').collect();
        self.walk(Vec::new(), &components, &mut found)?;
        if found.is_empty() {
            if self.state.shell_options.fail_glob {
                return Err(Stop::new("shopt failglob"));
            }
            if !self.state.shell_options.null_glob {
                all.push(field::text(&field));
            }
            return Ok(());
        }
        found.sort();
        all.extend(found.into_iter().map(BString::from));
        Ok(())
    }

    /// Adds what exists below `prefix` for the components that are left.
    fn walk(
        &mut self,
        prefix: Vec<u8>,
        components: &[&[Byte]],
        found: &mut Vec<Vec<u8>>,
    ) -> Result<(), Stop> {
        self.machine.spend(1)?;
        let Some((component, rest)) = components.split_first() else {
            let directory = &self.state.directory;
            if !prefix.is_empty() && self.machine.lstat(directory, &prefix)?.is_ok() {
                found.push(prefix);
            }
            return Ok(());
        };
        let joined = |prefix: &[u8], name: &[u8]| {
            let mut path = [prefix, name].concat();
            if !rest.is_empty() {
                path.push(b'/');
            }
            path
        };
        if !has_pattern(component) {
            let name = literal(component);
            return self.walk(joined(&prefix, &name), rest, found);
        }
        let place = if prefix.is_empty() { &b"."[..] } else { &prefix };
        let directory = self.state.directory.clone();
        let Ok(mut names) = self.machine.read_dir(&directory, place)? else { return Ok(()) };
        let hidden = component.first().is_some_and(|byte| byte.value == b'.');
        if hidden && self.dialect != Dialect::Bash {
            names.extend([b".".to_vec(), b"..".to_vec()]);
        }
        for name in names {
            let shown = hidden || self.state.shell_options.dot_glob || !name.starts_with(b".");
            self.machine.spend((component.len() as u64 * name.len() as u64) / 4096)?;
            if shown && pattern::matches(component, &name) {
                self.walk(joined(&prefix, &name), rest, found)?;
            }
        }
        Ok(())
    }
}

/// The text that a component without patterns stands for: backslashes from expansions escape.
fn literal(component: &[Byte]) -> Vec<u8> {
    component.iter().map(|byte| byte.value).collect()
}

fn has_pattern(field: &[Byte]) -> bool {
    field.iter().any(|byte| !byte.quoted && matches!(byte.value, b'*' | b'?' | b'['))
}
