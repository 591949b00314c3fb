//! `entry_points.txt`: which programs a distribution has
//! (<https://packaging.python.org/en/latest/specifications/entry-points/>).
//!
//! In comes the file; out come the scripts that an installer makes, read as Python's
//! `importlib.metadata` reads them: sections, `NAME = MODULE:OBJECT`, comments with `#`.

/// A program: a function of a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Script {
    /// The file's name in the folder of programs.
    pub name: String,
    /// `package.module`.
    pub module: String,
    /// `main`, `App.run`.
    pub function: String,
}

/// The most programs of one distribution.
const MAX_SCRIPTS: usize = 10_000;

/// The programs of `console_scripts` and `gui_scripts`. Of a name that is there twice, the last.
///
/// # Errors
/// One is no function of a module, or its name no file's: half a sentence.
pub fn scripts(bytes: &[u8]) -> Result<Vec<Script>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut scripts: Vec<Script> = Vec::new();
    let mut is_ours = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            let section = section.split(']').next().unwrap_or_default().trim();
            is_ours = matches!(section, "console_scripts" | "gui_scripts");
            continue;
        }
        if !is_ours {
            continue;
        }
        let script = script(line).ok_or_else(|| format!("{line:?} is no program"))?;
        scripts.retain(|known| known.name != script.name);
        if scripts.len() == MAX_SCRIPTS {
            return Err(format!("it has more than {MAX_SCRIPTS} programs"));
        }
        scripts.push(script);
    }
    Ok(scripts)
}

fn script(line: &str) -> Option<Script> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let value = value.split('[').next()?.trim();
    let (module, function) = value.split_once(':')?;
    let (module, function) = (module.trim(), function.trim());
    let is_dotted = |text: &str| {
        let is_word = |word: &str| {
            !word.is_empty()
                && !word.starts_with(|c: char| c.is_ascii_digit())
                && word.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        text.split('.').all(is_word)
    };
    let is_file = !name.is_empty()
        && !matches!(name, "." | "..")
        && name.len() <= 255
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control);
    (is_file && is_dotted(module) && is_dotted(function)).then(|| Script {
        name: name.to_owned(),
        module: module.to_owned(),
        function: function.to_owned(),
    })
}

/// What an installer makes of them: pip's own programs have the interpreter's version in their
/// names, whatever the wheel says.
#[must_use]
pub fn of_interpreter(mut scripts: Vec<Script>, minor: u32) -> Vec<Script> {
    let Some(pip) = scripts.iter().find(|script| script.name == "pip").cloned() else {
        return scripts;
    };
    let is_pip = |name: &str| {
        name.strip_prefix("pip").is_some_and(|rest| {
            let mut numbers = rest.splitn(2, '.');
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            rest.is_empty() || numbers.all(is_number)
        })
    };
    scripts.retain(|script| !is_pip(&script.name));
    let names = ["pip".to_owned(), "pip3".to_owned(), format!("pip3.{minor}")];
    scripts.extend(names.map(|name| Script { name, ..pip.clone() }));
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(scripts: &[Script]) -> Vec<String> {
        scripts.iter().map(|one| format!("{}={}:{}", one.name, one.module, one.function)).collect()
    }

    #[test]
    fn programs_are_read() {
        let text = "[console_scripts]\n# no\nblack = black:patched_main\nb-d=blackd:App.main [d]\n\n\
                    [other]\nx = y\n[gui_scripts]\nblack = b.c : d\n; no\n";
        assert_eq!(
            shown(&scripts(text.as_bytes()).unwrap()),
            ["b-d=blackd:App.main", "black=b.c:d"]
        );
        assert_eq!(scripts(b"x = y:z\n").unwrap(), []);
        for bad in
            ["a", "a = b", "../a = b:c", " = b:c", "a = b;import os:c", "a = b:c()", "a = 1:c"]
        {
            let text = format!("[console_scripts]\n{bad}\n");
            assert!(scripts(text.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn pips_programs_have_the_interpreters_version() {
        let text = b"[console_scripts]\npip = pip._internal.cli.main:main\npip3 = x:y\npip3.12 = x:y\npipx = x:y\n";
        let names: Vec<String> =
            of_interpreter(scripts(text).unwrap(), 11).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["pipx", "pip", "pip3", "pip3.11"]);
        let other = scripts(b"[console_scripts]\npip3 = x:y\n").unwrap();
        assert_eq!(of_interpreter(other.clone(), 11), other);
    }
}
