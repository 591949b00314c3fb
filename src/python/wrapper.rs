//! The wrapper scripts of programs (`bin/flask`): written by the template of a wrapper that the
//! environment has, so that they are what its installer would write.
//!
//! In comes a wrapper as it is and the program that is wanted; out come its bytes. Installers
//! differ in what they write around the same two lines, `from MODULE import NAME` and
//! `sys.exit(FUNCTION())`; the lines before the first of them begin with the interpreter's path.

use crate::entry_points::Script;

/// The largest wrapper, in bytes.
const MAX_WRAPPER: usize = 16 << 10;

/// What an installer writes around a program's own two lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// With the interpreter's path.
    before: String,
    between: String,
    after: String,
}

/// Who installed an environment's distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installer {
    /// pip, or something that is told apart from uv only.
    Pip,
    /// uv.
    Uv,
}

impl Template {
    /// Of a wrapper; `None`: it is none, or of a form that is not known.
    #[must_use]
    pub fn of(wrapper: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(wrapper).ok().filter(|text| text.len() <= MAX_WRAPPER)?;
        text.starts_with("#!").then_some(())?;
        let at = text.find("\nfrom ")? + 1;
        let (before, rest) = text.split_at(at);
        let (import, rest) = rest.split_once('\n')?;
        let (module, name) = import.strip_prefix("from ")?.split_once(" import ")?;
        let call = format!("sys.exit({name}");
        let (between, rest) = rest.split_once(&call)?;
        // `App.run()`: the name is its beginning
        let (tail, after) = rest.split_once("())")?;
        let is_words =
            |text: &str| text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        if !is_words(module) || !is_words(name) || !is_words(tail) {
            return None;
        }
        Some(Self {
            before: before.to_owned(),
            between: between.to_owned(),
            after: after.to_owned(),
        })
    }

    /// What the present pip or uv writes, for the interpreter at `python`.
    #[must_use]
    pub fn present(installer: Installer, python: &str) -> Self {
        let shebang = shebang(python);
        let (before, between) = match installer {
            Installer::Pip => (
                format!("{shebang}import sys\n"),
                "if __name__ == '__main__':\n    sys.argv[0] = \
                 sys.argv[0].removesuffix('.exe')\n    ",
            ),
            Installer::Uv => (
                format!("{shebang}# -*- coding: utf-8 -*-\nimport sys\n"),
                "if __name__ == \"__main__\":\n    if sys.argv[0].endswith(\"-script.pyw\"):\n        \
                 sys.argv[0] = sys.argv[0][:-11]\n    elif sys.argv[0].endswith(\".exe\"):\n        \
                 sys.argv[0] = sys.argv[0][:-4]\n    ",
            ),
        };
        Self { before, between: between.to_owned(), after: "\n".to_owned() }
    }

    /// The lines that name the interpreter, with their end: one, or the three that a path with
    /// blanks or a long one wants.
    #[must_use]
    pub fn shebang(&self) -> &str {
        let mut end = self.before.find('\n').map_or(self.before.len(), |end| end + 1);
        if self.before.starts_with("#!/bin/sh\n")
            && let Some(third) = self.before.match_indices('\n').nth(2)
        {
            end = third.0 + 1;
        }
        self.before.get(..end).unwrap_or_default()
    }

    /// Whether it is what this installer writes.
    #[must_use]
    pub fn is_of(&self, installer: Installer) -> bool {
        let is_uvs = self.between.contains("endswith(\"-script.pyw\")");
        is_uvs == (installer == Installer::Uv)
    }

    /// The same for the interpreter that these lines name.
    #[must_use]
    pub fn with_shebang(&self, lines: &str) -> Self {
        let rest = self.before.get(self.shebang().len()..).unwrap_or_default();
        Self { before: format!("{lines}{rest}"), ..self.clone() }
    }

    /// The wrapper of a program.
    #[must_use]
    pub fn wrapper(&self, script: &Script) -> Vec<u8> {
        let Script { module, function, .. } = script;
        let name = function.split('.').next().unwrap_or(function);
        let Self { before, between, after } = self;
        format!("{before}from {module} import {name}\n{between}sys.exit({function}()){after}")
            .into_bytes()
    }
}

/// The lines of a script that name its interpreter, when that is a Python with nothing behind it.
#[must_use]
pub fn shebang_of(script: &[u8]) -> Option<String> {
    if let Some(template) = Template::of(script) {
        return Some(template.shebang().to_owned());
    }
    let end = script.iter().position(|byte| *byte == b'\n').filter(|end| *end < MAX_WRAPPER)?;
    let line = std::str::from_utf8(script.get(..end)?).ok()?;
    let name = line.strip_prefix("#!/")?.rsplit('/').next()?;
    let is_python = name.starts_with("python") && !line.contains(' ');
    is_python.then(|| format!("{line}\n"))
}

/// The lines that name an interpreter. The kernel reads 127 bytes of the first line, and takes
/// what follows a blank for an argument.
fn shebang(python: &str) -> String {
    if python.len() + 3 <= 127 && !python.contains(' ') {
        return format!("#!{python}\n");
    }
    format!("#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIP_23: &str = "#!/opt/venv/bin/python3\n# -*- coding: utf-8 -*-\nimport re\nimport sys\n\
        from flask.cli import main\nif __name__ == '__main__':\n    sys.argv[0] = \
        re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n    sys.exit(main())\n";
    const PIP_26: &str = "#!/opt/venv/bin/python3\nimport sys\nfrom flask.cli import main\n\
        if __name__ == '__main__':\n    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    \
        sys.exit(main())\n";
    const UV: &str = "#!/opt/venv/bin/python3\n# -*- coding: utf-8 -*-\nimport sys\n\
        from flask.cli import main\nif __name__ == \"__main__\":\n    \
        if sys.argv[0].endswith(\"-script.pyw\"):\n        sys.argv[0] = sys.argv[0][:-11]\n    \
        elif sys.argv[0].endswith(\".exe\"):\n        sys.argv[0] = sys.argv[0][:-4]\n    \
        sys.exit(main())\n";

    fn script(module: &str, function: &str) -> Script {
        Script { name: "x".into(), module: module.into(), function: function.into() }
    }

    #[test]
    fn a_wrapper_is_its_own_template() {
        let long = PIP_26.replace(
            "#!/opt/venv/bin/python3\n",
            "#!/bin/sh\n'''exec' \"/opt/my venv/bin/python3\" \"$0\" \"$@\"\n' '''\n",
        );
        for wrapper in [PIP_23, PIP_26, UV, &long] {
            let template = Template::of(wrapper.as_bytes()).unwrap();
            let same = template.wrapper(&script("flask.cli", "main"));
            assert_eq!(String::from_utf8(same).unwrap(), wrapper);
            let other = String::from_utf8(template.wrapper(&script("a.b", "App.run"))).unwrap();
            let want = wrapper
                .replace("from flask.cli import main", "from a.b import App")
                .replace("sys.exit(main())", "sys.exit(App.run())");
            assert_eq!(other, want);
            assert_eq!(Template::of(other.as_bytes()), Some(template));
        }
        let template = Template::of(long.as_bytes()).unwrap();
        assert!(template.shebang().ends_with("' '''\n") && !template.shebang().contains("import"));
        assert_eq!(Template::of(UV.as_bytes()).unwrap().shebang(), "#!/opt/venv/bin/python3\n");
    }

    #[test]
    fn present_wrappers_are_those_of_pip_and_uv() {
        let main = script("flask.cli", "main");
        let present = |installer| {
            let template = Template::present(installer, "/opt/venv/bin/python3");
            String::from_utf8(template.wrapper(&main)).unwrap()
        };
        assert_eq!(present(Installer::Pip), PIP_26);
        assert_eq!(present(Installer::Uv), UV);
        assert!(
            shebang("/opt/my venv/bin/python").starts_with("#!/bin/sh\n'''exec' \"/opt/my venv")
        );
    }

    #[test]
    fn scripts_name_their_interpreter() {
        for (script, want) in [
            (PIP_26, Some("#!/opt/venv/bin/python3\n")),
            ("#!/opt/v/bin/python\nimport os\n", Some("#!/opt/v/bin/python\n")),
            ("#!/usr/bin/env python3\n", None),
            ("#!/opt/v/bin/python -u\n", None),
            ("#!/bin/sh\n", None),
            ("#!/opt/v/bin/python", None),
            ("", None),
        ] {
            assert_eq!(shebang_of(script.as_bytes()).as_deref(), want, "{script}");
        }
    }

    #[test]
    fn what_is_no_wrapper_is_no_template() {
        for text in [
            "",
            "#!/bin/sh\necho hello\n",
            "import sys\nfrom a import b\nsys.exit(b())\n",
            "#!/usr/bin/python3\nfrom a import b\nb()\n",
            "#!/usr/bin/python3\nfrom a import b, c\nsys.exit(b, c())\n",
        ] {
            assert_eq!(Template::of(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Template::of(b"#!/usr/bin/python3\n\xff"), None);
    }
}
