//! The differences for people: packages, configuration, files, then text.

use super::super::text::section;
use super::{
    Aspect, ConfigChange, FileChange, FileState, ImageDiff, PackagesDiff, PathState, VersionChange,
};
use imgfix_model::path::ImagePath;
use imgfix_terminal::{Accent, Detail, Style, Table, bytes, clean, count};

/// How many lines a list of files has before the rest is only counted.
const MAX_LINES: usize = 60;

/// The differences as text, ending in a newline.
#[must_use]
pub fn render(diff: &ImageDiff, style: Style) -> String {
    let mut out = format!(
        "{}\n{}\n",
        style.paint(Accent::Bad, &format!("--- {}", name(&diff.before))),
        style.paint(Accent::Good, &format!("+++ {}", name(&diff.after)))
    );
    if diff.is_empty() {
        out.push_str("no differences\n");
        return out;
    }
    match &diff.packages {
        Some(packages) => out.push_str(&render_packages(packages, style)),
        None => out.push_str("\nPackages: not comparable\n"),
    }
    out.push_str(&render_config(&diff.config, style));
    out.push_str(&render_files(diff, style));
    out.push_str(&render_texts(diff, style));
    out
}

fn name(side: &super::SideName) -> String {
    match &side.manifest {
        Some(digest) => format!("{} ({})", clean(&side.label), digest.short()),
        None => clean(&side.label),
    }
}

fn render_packages(packages: &PackagesDiff, style: Style) -> String {
    let mut table = Table::new(&["", "package", "before", "after"], &[]);
    let changes = |table: &mut Table, word: &str, list: &[VersionChange]| {
        for change in list {
            table.row([word, &change.package.to_string(), &change.from.0, &change.to.0]);
        }
    };
    changes(&mut table, "upgraded", &packages.upgraded);
    changes(&mut table, "downgraded", &packages.downgraded);
    changes(&mut table, "changed", &packages.changed);
    for package in &packages.added {
        table.row(["added", &package.package.to_string(), "", &package.version.0]);
    }
    for package in &packages.removed {
        table.row(["removed", &package.package.to_string(), &package.version.0, ""]);
    }
    section("Packages", table, style)
}

fn render_config(config: &[ConfigChange], style: Style) -> String {
    if config.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{}\n", style.paint(Accent::Heading, "Config"));
    for change in config {
        out.push_str(&format!("  {}\n", clean(&change.path)));
        let values = [("-", Accent::Bad, &change.before), ("+", Accent::Good, &change.after)];
        for (sign, accent, value) in values {
            if let Some(value) = value {
                let line = format!("    {sign} {}", clean(&value.to_string()));
                out.push_str(&format!("{}\n", style.paint(accent, &line)));
            }
        }
    }
    out
}

fn render_files(diff: &ImageDiff, style: Style) -> String {
    let files = &diff.files;
    if files.is_empty() {
        return String::new();
    }
    let heading = format!(
        "Files: {} added, {} removed, {} changed",
        files.added.len(),
        files.removed.len(),
        files.changed.len()
    );
    let mut out = format!("\n{}\n", style.paint(Accent::Heading, &heading));
    out.push_str(&list("+", Accent::Good, &files.added, style));
    out.push_str(&list("-", Accent::Bad, &files.removed, style));
    let (shown, hidden) = cut(&files.changed, style);
    for change in shown {
        out.push_str(&changed_line(change, style));
    }
    out.push_str(&hidden_line(hidden));
    out
}

/// The first of a list, and how many are not shown. With [`Detail::Full`] all are.
fn cut<T>(list: &[T], style: Style) -> (&[T], usize) {
    match style.detail {
        Detail::Full => (list, 0),
        Detail::Normal => {
            let shown = list.get(..MAX_LINES).unwrap_or(list);
            (shown, list.len() - shown.len())
        }
    }
}

fn hidden_line(hidden: usize) -> String {
    if hidden == 0 { String::new() } else { format!("  ... and {hidden} more\n") }
}

/// Added or removed paths; what lies below a listed directory is only counted, unless it has
/// special bits, which nobody should miss.
fn list(sign: &str, accent: Accent, paths: &[PathState], style: Style) -> String {
    let mut lines: Vec<(&PathState, usize)> = Vec::new();
    let mut top: Option<(&ImagePath, usize)> = None;
    for item in paths {
        if let Some((dir, place)) = top.filter(|(dir, _)| item.path.starts_with(dir)) {
            let plain = dir != &item.path && item.state.special().is_empty();
            if plain && style.detail == Detail::Normal {
                if let Some((_, below)) = lines.get_mut(place) {
                    *below += 1;
                }
                continue;
            }
        } else if item.state.kind == "directory" {
            top = Some((&item.path, lines.len()));
        }
        lines.push((item, 0));
    }
    let (shown, hidden) = cut(&lines, style);
    let mut out = String::new();
    for (item, below) in shown {
        let mut line = format!("{sign} {}", clean(&item.path.to_str_lossy()));
        line.push_str(&describe(&item.state));
        if *below > 0 {
            line.push_str(&format!(" with {} below", count(*below, "path")));
        }
        out.push_str(&format!("  {}\n", style.paint(accent, &line)));
    }
    out.push_str(&hidden_line(hidden));
    out
}

fn describe(state: &FileState) -> String {
    let mut out = match (state.kind, state.size, &state.target) {
        ("directory", ..) => "/".to_owned(),
        (_, _, Some(target)) => format!(" -> {}", clean(target)),
        (_, Some(size), _) => format!(" ({})", bytes(size)),
        (kind, ..) => format!(" ({kind})"),
    };
    if !state.special().is_empty() {
        out.push_str(&format!(" {}!", state.special().join(", ")));
    }
    out
}

fn changed_line(change: &FileChange, style: Style) -> String {
    let (a, b) = (&change.before, &change.after);
    let parts: Vec<String> = change
        .aspects
        .iter()
        .map(|aspect| match aspect {
            Aspect::Kind => format!("{} is now {}", a.kind, b.kind),
            Aspect::Content => match (a.size, b.size) {
                (Some(old), Some(new)) if old != new => {
                    format!("content {} to {}", bytes(old), bytes(new))
                }
                _ => "content".to_owned(),
            },
            Aspect::Mode => format!("mode {} to {}", a.mode, b.mode),
            Aspect::SpecialBits => format!("{} to {}!", bits(a), bits(b)),
            Aspect::Owner => format!("owner {}:{} to {}:{}", a.uid, a.gid, b.uid, b.gid),
            Aspect::LinkTarget => {
                let target = |state: &FileState| clean(state.target.as_deref().unwrap_or_default());
                format!("-> {} to {}", target(a), target(b))
            }
            Aspect::Device => {
                let device = |state: &FileState| state.device.clone().unwrap_or_default();
                format!("device {} to {}", device(a), device(b))
            }
            Aspect::Xattrs => {
                format!(
                    "xattrs [{}] to [{}]",
                    clean(&a.xattrs.join(" ")),
                    clean(&b.xattrs.join(" "))
                )
            }
            Aspect::Mtime => format!("mtime {} to {}", a.mtime, b.mtime),
        })
        .collect();
    let sign = style.paint(Accent::Note, "~");
    format!("  {sign} {}: {}\n", clean(&change.path.to_str_lossy()), parts.join(", "))
}

fn bits(state: &FileState) -> String {
    match state.special().as_slice() {
        [] => "no special bits".to_owned(),
        names => names.join("+"),
    }
}

fn render_texts(diff: &ImageDiff, style: Style) -> String {
    let mut out = String::new();
    for text in &diff.texts {
        let path = clean(&text.path.to_str_lossy());
        out.push_str(&format!("\n{}\n", style.paint(Accent::Heading, &path)));
        for line in text.unified.split_terminator('\n') {
            let line = clean_line(line);
            let accent = match line.chars().next() {
                Some('+') => Some(Accent::Good),
                Some('-') => Some(Accent::Bad),
                Some('@') => Some(Accent::Note),
                _ => None,
            };
            let line = accent.map_or_else(|| line.clone(), |accent| style.paint(accent, &line));
            out.push_str(&line);
            out.push('\n');
        }
    }
    let hidden =
        diff.texts_left_out.iter().filter(|left| left.why != super::texts::WhyLeftOut::Binary);
    let hidden = hidden.count();
    if hidden > 0 {
        out.push_str(&format!("\n{} changed too, not shown as text\n", count(hidden, "file")));
    }
    out
}

/// Like [`clean`], but tabs stay: they are harmless and common in text.
fn clean_line(line: &str) -> String {
    line.split('\t').map(clean).collect::<Vec<_>>().join("\t")
}
