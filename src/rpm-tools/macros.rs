//! Macros of rpm, as far as scriptlets have them at installation (`%post -e`, `rpm.expand`): what
//! real ones ask is whether documentation is left out, and where something is.
//!
//! In come a text and the image's macro files; out comes the text with its macros expanded. What
//! is no macro there stays as it is, as rpm leaves it. Macros with parameters, those that are built
//! in, programs and expressions are a stop. Source: rpm's `rpmio/macro.cc`, `macros.in`.

use std::cell::Cell;
use std::collections::HashMap;

use bstr::ByteSlice as _;
use imgfix_model::path::ImagePath;
use imgfix_shell::{Machine, Stop};

/// Folders of macro files, a later one wins, with what their files' names begin and end with.
const FOLDERS: [(&str, &str, &str); 3] = [
    ("/usr/lib/rpm/macros.d", "macros.", ""),
    ("/usr/lib/rpm/fileattrs", "", ".attr"),
    ("/etc/rpm", "macros.", ""),
];

/// Macros that rpm has without a file, besides `nil`.
const BUILT_IN: &[&str] = &[
    "P",
    "S",
    "basename",
    "define",
    "dirname",
    "dnl",
    "dump",
    "echo",
    "error",
    "exists",
    "expand",
    "expr",
    "getconfdir",
    "getenv",
    "getncpus",
    "global",
    "gsub",
    "len",
    "load",
    "lower",
    "lua",
    "macrobody",
    "optflags",
    "quote",
    "rep",
    "reverse",
    "rpmversion",
    "shescape",
    "shrink",
    "span",
    "sub",
    "suffix",
    "trace",
    "u2p",
    "uncompress",
    "undefine",
    "upper",
    "url2path",
    "verbose",
    "warn",
    "xdg",
];

/// How deep macros may be made of macros; rpm itself ends at 64.
const MAX_DEPTH: usize = 64;

/// How many macros one text may be made of: those that expand to nothing have no length.
const MAX_CALLS: usize = 100_000;

/// The longest text that is expanded to, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// Expands a text.
///
/// # Errors
/// It has a macro that is not evaluated.
pub fn expand(machine: &mut Machine, text: &[u8]) -> Result<Vec<u8>, Stop> {
    let macros = match text.contains(&b'%') {
        true => Macros::read(machine)?,
        false => Macros::default(),
    };
    let mut expanded = Vec::with_capacity(text.len());
    macros.expand(text, 0, &mut expanded)?;
    machine.spend_items(macros.calls.get())?;
    machine.spend_data(expanded.len())?;
    Ok(expanded)
}

/// What the image's macro files define.
#[derive(Default)]
struct Macros {
    defined: HashMap<Vec<u8>, Definition>,
    /// How many were expanded.
    calls: Cell<usize>,
}

struct Definition {
    has_parameters: bool,
    body: Vec<u8>,
}

impl Macros {
    fn read(machine: &mut Machine) -> Result<Self, Stop> {
        let mut files = vec![b"/usr/lib/rpm/macros".to_vec()];
        let architecture = machine.settings.architecture.clone();
        for (folder, start, end) in FOLDERS {
            let names = machine.read_dir(&ImagePath::root(), folder.as_bytes())?;
            let names = names.unwrap_or_default().into_iter();
            let fits = |name: &Vec<u8>| {
                name.starts_with(start.as_bytes()) && name.ends_with(end.as_bytes())
            };
            files.extend(names.filter(fits).map(|name| [folder.as_bytes(), b"/", &name].concat()));
            if folder == "/usr/lib/rpm/macros.d" {
                let platform = format!("/usr/lib/rpm/platform/{architecture}-linux/macros");
                files.push(platform.into_bytes());
            }
            if folder == "/usr/lib/rpm/fileattrs" {
                files.push(b"/usr/lib/rpm/redhat/macros".to_vec());
            }
        }
        files.push(b"/etc/rpm/macros".to_vec());
        files.push(b"/root/.rpmmacros".to_vec());
        let mut macros = Self::default();
        for path in files {
            if let Ok(text) = machine.read_file(&ImagePath::root(), &path)? {
                macros.add_file(&text);
            }
        }
        Ok(macros)
    }

    fn add_file(&mut self, text: &[u8]) {
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut whole = line.to_vec();
            while goes_on(&whole) {
                let Some(next) = lines.next() else { break };
                if whole.ends_with(b"\\") {
                    whole.pop();
                }
                whole.push(b'\n');
                whole.extend_from_slice(next);
            }
            let Some(definition) = whole.trim_start().strip_prefix(b"%") else { continue };
            let length = definition.iter().take_while(|byte| is_of_name(**byte)).count();
            let (name, rest) = definition.split_at(length);
            let (has_parameters, body) = match rest.strip_prefix(b"(") {
                Some(rest) => {
                    let end = rest.find_byte(b')').map_or(rest.len(), |end| end + 1);
                    (true, rest.get(end..).unwrap_or_default())
                }
                None => (false, rest),
            };
            let body = body.trim().to_vec();
            self.defined.insert(name.to_vec(), Definition { has_parameters, body });
        }
    }

    fn expand(&self, text: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(unknown(text));
        }
        let mut rest = text;
        while let Some((&byte, behind)) = rest.split_first() {
            if out.len() > MAX_TEXT || self.calls.get() > MAX_CALLS {
                return Err(Stop::new("macros of rpm that expand to too much"));
            }
            rest = behind;
            if byte != b'%' {
                out.push(byte);
                continue;
            }
            if let Some(behind) = rest.strip_prefix(b"%") {
                out.push(b'%');
                rest = behind;
                continue;
            }
            let Some(call) = Call::read(rest).map_err(|()| unknown(rest))? else {
                out.push(b'%');
                continue;
            };
            self.calls.set(self.calls.get() + 1);
            let known = self.defined.get(call.name);
            let is_nil = call.name == b"nil";
            let is_built_in = BUILT_IN.iter().any(|name| name.as_bytes() == call.name);
            if is_built_in && known.is_none() {
                return Err(unknown(rest));
            }
            if call.is_question {
                let is_there = known.is_some() || is_nil;
                if is_there != call.is_negated {
                    match (call.argument, known) {
                        (Some(argument), _) => self.expand(argument, depth + 1, out)?,
                        (None, Some(known)) => self.body(known, rest, depth, out)?,
                        (None, None) => {}
                    }
                }
            } else if let Some(known) = known.filter(|_| !is_nil) {
                self.body(known, rest, depth, out)?;
            } else if !is_nil {
                out.push(b'%');
                continue;
            }
            rest = rest.get(call.length..).unwrap_or_default();
        }
        Ok(())
    }

    fn body(
        &self,
        definition: &Definition,
        rest: &[u8],
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        if definition.has_parameters {
            return Err(unknown(rest));
        }
        self.expand(&definition.body, depth + 1, out)
    }
}

/// Whether a line of a macro file is not the whole of a definition.
fn goes_on(text: &[u8]) -> bool {
    let count = |wanted: u8| text.iter().filter(|&&byte| byte == wanted).count();
    text.trim_start().starts_with(b"%")
        && (text.ends_with(b"\\") || count(b'{') > count(b'}') || count(b'(') > count(b')'))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn unknown(rest: &[u8]) -> Stop {
    let shown: Vec<u8> = rest.iter().take(40).copied().collect();
    let shown = String::from_utf8_lossy(&shown).into_owned();
    Stop::new(format!("a macro of rpm: %{}", shown.escape_debug()))
}

/// A macro's name with what stands around it.
struct Call<'t> {
    name: &'t [u8],
    /// Whether it is asked if the macro is there.
    is_question: bool,
    is_negated: bool,
    /// What is behind a colon.
    argument: Option<&'t [u8]>,
    /// Of the whole, without its first sign.
    length: usize,
}

impl<'t> Call<'t> {
    /// The call that a text behind a `%` begins with; `None` when the sign is just a sign.
    fn read(text: &'t [u8]) -> Result<Option<Self>, ()> {
        let Some(&first) = text.first() else { return Ok(None) };
        if matches!(first, b'(' | b'[' | b'-') {
            return Err(());
        }
        let (inside, length) = match first {
            b'{' => {
                let end = closing(text).ok_or(())?;
                (text.get(1..end).unwrap_or_default(), Some(end + 1))
            }
            _ => (text, None),
        };
        let signs = inside.iter().take_while(|byte| matches!(byte, b'?' | b'!')).count();
        let (signs, rest) = inside.split_at(signs);
        let name_length = rest.iter().take_while(|byte| is_of_name(**byte)).count();
        let (name, behind) = rest.split_at(name_length);
        if name.is_empty() {
            return if length.is_some() { Err(()) } else { Ok(None) };
        }
        let argument = match (length, behind.split_first()) {
            (Some(_), Some((b':', argument))) => Some(argument),
            (Some(_), Some(_)) => return Err(()),
            _ => None,
        };
        Ok(Some(Self {
            name,
            is_question: signs.contains(&b'?'),
            is_negated: signs.iter().filter(|&&sign| sign == b'!').count() % 2 == 1,
            argument,
            length: length.unwrap_or(signs.len() + name_length),
        }))
    }
}

/// Where the brace ends that a text begins with.
fn closing(text: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    text.iter().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

#[cfg(test)]
mod tests {
    use imgfix_tools::testing::Image;

    use super::expand;

    fn expanded(files: &[&str], text: &str) -> Result<String, String> {
        let mut image = Image::new(files);
        image.machine.settings.architecture = "x86_64".to_owned();
        match expand(&mut image.machine, text.as_bytes()) {
            Ok(text) => Ok(String::from_utf8(text).unwrap()),
            Err(stop) => Err(stop.detail),
        }
    }

    #[test]
    fn macros_are_those_of_the_image() {
        let files = [
            "/usr/lib/rpm/macros=%_usr /usr\n%_prefix %{_usr}\n%_long a \\\n  b\n%nil %{!?nil}\n",
            "/usr/lib/rpm/platform/x86_64-linux/macros=%_libdir %{_prefix}/lib64\n",
            "/etc/rpm/macros.image=%_excludedocs 1\n%_prefix\t/opt # no comment\n",
            "/etc/rpm/macros=%_prefix %_usr\n",
        ];
        for (text, want) in [
            ("[[ %{_excludedocs} == 1 ]] || x=%{_libdir}", "[[ 1 == 1 ]] || x=/usr/lib64"),
            ("%{_long}|%nil|%{nil}|%_usr/x", "a \n  b|||/usr/x"),
            ("%{?_excludedocs:docs %{_usr}}%{!?_excludedocs:none}%{!?x:y}%{?x}", "docs /usry"),
            // What is no macro stays.
            ("100%% %s %1 %# %{undefined:%{_usr}} % ", "100% %s %1 %# %{undefined:/usr} % "),
        ] {
            assert_eq!(expanded(&files, text).as_deref(), Ok(want), "{text}");
        }
        assert_eq!(expanded(&[], "[ %{_excludedocs} ]").as_deref(), Ok("[ %{_excludedocs} ]"));
    }

    #[test]
    fn macros_of_macros_end() {
        // Each is twice the next one, and the last is nothing.
        let doubled: String =
            (0..40).map(|n| format!("%a{n} %{{a{}}}%{{a{}}}\n", n + 1, n + 1)).collect();
        let file = format!("/usr/lib/rpm/macros={doubled}%a40 %{{nil}}\n%there 1\n");
        let stop = expanded(&[&file], "%a0").unwrap_err();
        assert_eq!(stop, "macros of rpm that expand to too much");
        let nested = format!("{}x{}", "%{?there:".repeat(20_000), "}".repeat(20_000));
        assert!(expanded(&[&file], &nested).unwrap_err().starts_with("a macro of rpm: %"));
        let nested = format!("{}x{}", "%{?there:".repeat(60), "}".repeat(60));
        assert_eq!(expanded(&[&file], &nested).as_deref(), Ok("x"));
    }

    #[test]
    fn what_is_not_plain_is_a_stop() {
        let files = ["/usr/lib/rpm/macros=%with(x:) %{-x*}\n%a %{b}\n%b %{a}\n"];
        for text in ["%(date)", "%{lua: x}", "%{with y}", "%with x", "%[1 + 1]", "%-f", "%{a}"] {
            let stop = expanded(&files, text).unwrap_err();
            assert!(stop.starts_with("a macro of rpm: %"), "{text}: {stop}");
        }
        assert_eq!(
            expanded(&[], "cd %{getenv:HOME}\n").unwrap_err(),
            "a macro of rpm: %{getenv:HOME}\\n"
        );
    }
}
