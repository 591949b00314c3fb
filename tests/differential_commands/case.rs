//! The file format of cases: `# NAME` starts one, lines after `! ` are shell commands that
//! prepare the root, all others are command lines to compare, split at blanks; words in single
//! quotes hold together, and `\n` in them is a newline.

pub struct Case {
    pub name: String,
    pub prepare: Vec<String>,
    pub lines: Vec<Vec<String>>,
}

impl Case {
    pub fn parse_all(text: &str) -> Vec<Self> {
        let mut cases: Vec<Self> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(name) = line.strip_prefix("# ") {
                cases.push(Self { name: name.into(), prepare: Vec::new(), lines: Vec::new() });
                continue;
            }
            let case = cases.last_mut().expect("a case starts with its name");
            match line.strip_prefix("! ") {
                Some(command) => case.prepare.push(command.into()),
                None => case.lines.push(words(line)),
            }
        }
        cases
    }
}

pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
