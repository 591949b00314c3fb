//! Random sequences of `update-alternatives` calls and of what people do to its links.
//!
//! A link of a group that is not recorded is never there: for that the real program reads
//! memory that it has freed, and what it does then is chance.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::case::{Case, words};

const NAMES: &[&str] = &["edit", "page", "edit.1.gz", "other"];
const PATHS: &[&str] = &["/scratch/p/a", "/scratch/p/b", "/scratch/p/c", "/scratch/p/missing"];
const LINKS: &[&str] =
    &["/scratch/l/x", "/scratch/l/y", "/scratch/l/z", "/scratch/l/file", "/scratch/no/dir"];
const QUESTIONS: &[&str] = &["--display", "--query", "--list"];

pub fn alternatives(seed: u64) -> Case {
    let mut random = StdRng::seed_from_u64(seed);
    let prepare = "mkdir -p /scratch/p /scratch/l; for f in a b c m n; do echo $f > /scratch/p/$f; \
                   touch -d @1000000000 /scratch/p/$f; done; echo file > /scratch/l/file; echo k > /scratch/p/k; \
                   update-alternatives --quiet --install /scratch/l/edit edit /scratch/p/k 1";
    let lines = (0..20).map(|_| words(&line(&mut random))).collect();
    Case { name: format!("alternatives, seed {seed}"), prepare: vec![prepare.into()], lines }
}

fn line(random: &mut StdRng) -> String {
    let mut one = |from: &[&'static str]| *from.choose(random).unwrap();
    let (name, path, link) = (one(NAMES), one(PATHS), one(LINKS));
    let flag = one(&["", "", "", "--quiet ", "--verbose ", "--force "]);
    let question = one(QUESTIONS);
    let slave = format!(
        " --slave {} {} {}",
        one(LINKS),
        one(&["edit.1.gz", "page.1.gz", "other"]),
        one(&["/scratch/p/m", "/scratch/p/n", "/scratch/p/gone"])
    );
    let priority = random.gen_range(-5..30);
    match random.gen_range(0..20) {
        0..=4 => format!("update-alternatives {flag}--install {link} {name} {path} {priority}"),
        5..=8 => {
            format!("update-alternatives {flag}--install {link} {name} {path} {priority}{slave}")
        }
        9..=10 => format!("update-alternatives {flag}--remove {name} {path}"),
        11 => format!("update-alternatives {flag}--set {name} {path}"),
        12 => format!("update-alternatives {flag}--auto {name}"),
        13 => format!("update-alternatives {flag}--remove-all page"),
        14 => "update-alternatives --get-selections".into(),
        15 => format!("ln -sfn {path} /etc/alternatives/edit"),
        16 => format!("rm -f {link}"),
        17 => format!("rm -f {path}"),
        _ => format!("update-alternatives {question} {name}"),
    }
}
