//! What text reports share: the [`Style`], tables that keep to a width, and [`clean`], which
//! takes the power over a terminal from text that others wrote.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

use std::fmt::Write as _;

use comfy_table::{ColumnConstraint, ContentArrangement, Table as Grid, presets};

/// How text is laid out. The default is plain and unwrapped: what a pipe gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal; `None`: nothing is wrapped.
    pub width: Option<u16>,
    /// Whether words are coloured.
    pub colour: Colour,
    /// How many of the items are shown.
    pub detail: Detail,
}

/// Whether ANSI colours are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colour {
    /// No escape sequence is written.
    #[default]
    Never,
    /// Colours are written, wherever the text goes; the caller has asked the terminal and
    /// `NO_COLOR`.
    Always,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// Long lists are cut or summed up.
    #[default]
    Normal,
    /// Every single item.
    Full,
}

/// A part of the text that may be coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accent {
    /// Something succeeded: green.
    Good,
    /// Something failed, or is severe: red.
    Bad,
    /// Something to look at: yellow.
    Note,
    /// The head of a table or a section: bold.
    Heading,
}

impl Style {
    /// `text` in colour, when colours are asked for.
    #[must_use]
    pub fn paint(self, accent: Accent, text: &str) -> String {
        let code = match (self.colour, accent) {
            (Colour::Never, _) => return text.to_owned(),
            (_, Accent::Good) => "32",
            (_, Accent::Bad) => "31",
            (_, Accent::Note) => "33",
            (_, Accent::Heading) => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// The colour of a severity's word; `None` for the quiet ones, and for other words.
#[must_use]
pub fn severity_accent(word: &str) -> Option<Accent> {
    match word {
        "critical" | "high" => Some(Accent::Bad),
        "medium" => Some(Accent::Note),
        _ => None,
    }
}

/// Makes text harmless on a terminal and in a log: control characters (escape sequences begin
/// with one) and characters that reorder or hide text are written as escapes (`\u{1b}`), and so
/// is the beginning of what the runners of CI systems take for a command (`::error::`, `##vso[`).
#[must_use]
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let begins_word = std::mem::replace(&mut before, c).is_whitespace();
        match c {
            ':' | '#' if is_log_command(rest, begins_word) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || rewrites_text(c) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// `::name` at the beginning of a word, which may become that of a line, or `##name[`.
fn is_log_command(text: &str, begins_word: bool) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic();
    match text.strip_prefix("::") {
        Some(rest) => begins_word && rest.starts_with(letter),
        None => text
            .strip_prefix("##")
            .is_some_and(|rest| rest.trim_start_matches(letter).starts_with('[')),
    }
}

/// Directional and invisible format characters (Unicode's Cf that change how text reads),
/// and the line and paragraph separators.
fn rewrites_text(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// A size for people: `17 B`, `1.2 kB`, `80.9 MB` (powers of 1000).
#[must_use]
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if size < 1000 {
        return format!("{size} B");
    }
    let mut tenths = u128::from(size) / 100;
    let mut units = UNITS.iter().peekable();
    while let Some(unit) = units.next() {
        if tenths < 10_000 || units.peek().is_none() {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        tenths /= 1000;
    }
    format!("{size} B")
}

/// `1 file`, `2 files`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A table of cleaned cells. When a width is given, the columns named in `wrapping` give way;
/// when that is not enough, one column goes below another ([`Table::stacking`]); when that is not
/// either, all columns are squeezed.
pub struct Table {
    header: Vec<&'static str>,
    wrapping: &'static [usize],
    stacked: Option<Stack>,
    rows: Vec<Vec<String>>,
}

/// Two columns that may become one: the cells of `lower` below those of `upper`.
#[derive(Debug, Clone, Copy)]
struct Stack {
    upper: usize,
    lower: usize,
    /// What stands before a lower cell that is not empty.
    mark: &'static str,
}

/// What a wrapping column needs at least before the others are squeezed too, with the space
/// behind it.
const LEAST_WRAPPED: usize = 14;

/// The space before each line.
const INDENT: usize = 2;

impl Table {
    /// A table without rows. `wrapping` are positions in `header`, from 0.
    pub fn new(header: &[&'static str], wrapping: &'static [usize]) -> Self {
        Self { header: header.to_vec(), wrapping, stacked: None, rows: Vec::new() }
    }

    /// The same table, in which, where width is short, the cells of column `lower` stand below
    /// those of `upper`, behind `mark`: so versions are not broken.
    #[must_use]
    pub fn stacking(self, upper: usize, lower: usize, mark: &'static str) -> Self {
        Self { stacked: Some(Stack { upper, lower, mark }), ..self }
    }

    /// Cells are cleaned here: callers hand over what they got.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.iter().map(|cell| clean(cell)).collect());
    }

    /// Whether it has no row; the header does not count.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table with each line indented by two spaces, ending in a newline.
    pub fn render(self, style: Style) -> String {
        let header = self.header.iter().map(|name| (*name).to_owned()).collect();
        let mut layout = Layout::new(header, &self.rows, self.wrapping.to_vec());
        if let Some(width) = style.width
            && !layout.fits(width)
            && let Some(stack) = self.stacked
        {
            layout = self.stacked_layout(stack);
        }
        layout.render(style)
    }

    fn stacked_layout(&self, stack: Stack) -> Layout {
        let stacked = |upper: &str, lower: &str| match lower {
            "" => upper.to_owned(),
            lower => format!("{upper}\n{}{lower}", stack.mark),
        };
        let merge = |cells: Vec<&str>| -> Vec<String> {
            let lower = cells.get(stack.lower).copied().unwrap_or_default();
            let columns = cells.iter().enumerate().filter(|(at, _)| *at != stack.lower);
            columns
                .map(|(at, cell)| match at == stack.upper {
                    true => stacked(cell, lower),
                    false => (*cell).to_owned(),
                })
                .collect()
        };
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| merge(row.iter().map(String::as_str).collect())).collect();
        let wrapping = self.wrapping.iter().filter(|at| **at != stack.lower);
        let wrapping = wrapping.map(|at| at - usize::from(*at > stack.lower)).collect();
        Layout::new(merge(self.header.clone()), &rows, wrapping)
    }
}

/// A table whose columns are decided.
struct Layout {
    grid: Grid,
    /// Columns that are not broken while there is room, with the widest cell of each.
    rigid: Vec<(usize, usize)>,
    /// How many columns give way.
    wrapping: usize,
}

impl Layout {
    fn new(header: Vec<String>, rows: &[Vec<String>], wrapping: Vec<usize>) -> Self {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        grid.set_header(header);
        for row in rows {
            grid.add_row(row.clone());
        }
        for column in grid.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let widths = grid.column_max_content_widths().into_iter().map(usize::from).enumerate();
        let rigid = widths.filter(|(at, _)| !wrapping.contains(at)).collect();
        Self { grid, rigid, wrapping: wrapping.len() }
    }

    fn fits(&self, width: u16) -> bool {
        let rigid: usize = self.rigid.iter().map(|(_, widest)| widest + 2).sum();
        rigid + LEAST_WRAPPED * self.wrapping + INDENT <= usize::from(width)
    }

    fn render(mut self, style: Style) -> String {
        match style.width {
            None => {
                self.grid.set_content_arrangement(ContentArrangement::Disabled);
            }
            Some(width) => {
                self.grid.set_content_arrangement(ContentArrangement::Dynamic);
                self.grid.set_width(width.saturating_sub(INDENT as u16).max(20));
                if self.fits(width) {
                    for (index, _) in &self.rigid {
                        if let Some(column) = self.grid.column_mut(*index) {
                            column.set_constraint(ColumnConstraint::ContentWidth);
                        }
                    }
                }
            }
        }
        // The lines of the head come before those of the first row.
        let head = self.grid.header().map_or(1, |row| {
            row.cell_iter().map(|cell| cell.content().lines().count()).max().unwrap_or(1)
        });
        let mut out = String::new();
        for (index, line) in self.grid.lines().enumerate() {
            let line = line.trim_end();
            let line = if index < head {
                style.paint(Accent::Heading, line)
            } else {
                paint_severity(style, line)
            };
            out.push_str("  ");
            out.push_str(&line);
            out.push('\n');
        }
        out
    }
}

/// Colours a line's first word when it is a severity: after layout, because colours must not
/// count as width.
fn paint_severity(style: Style, line: &str) -> String {
    let word = line.split(' ').next().unwrap_or_default();
    match severity_accent(word) {
        Some(accent) => {
            let rest = line.get(word.len()..).unwrap_or_default();
            format!("{}{rest}", style.paint(accent, word))
        }
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_command_the_terminal() {
        for (text, want) in [
            ("plain é 漢", "plain é 漢"),
            ("\x1b[2J\x1b]0;x\x07", "\\u{1b}[2J\\u{1b}]0;x\\u{7}"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{9b}31m\u{7f}\0", "\\u{9b}31m\\u{7f}\\u{0}"),
            ("evil\u{202e}gnp.exe", "evil\\u{202e}gnp.exe"),
        ] {
            assert_eq!(clean(text), want);
        }
    }

    #[test]
    fn sizes_read_well() {
        for (size, want) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (80_912_345, "80.9 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(bytes(size), want);
        }
    }

    fn table() -> Table {
        let mut table = Table::new(&["severity", "id", "why"], &[2]);
        table.row(["critical", "CVE-2024-12345", "the distribution has no fixed version yet"]);
        table.row(["low", "CVE-1", "\x1b[31mheld"]);
        table
    }

    #[test]
    fn tables_keep_to_the_width_and_the_last_column_gives_way() {
        insta::assert_snapshot!(table().render(Style { width: Some(44), ..Style::default() }));
        for width in 10..80 {
            let text = table().render(Style { width: Some(width), ..Style::default() });
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(width.max(22)), "{width}:\n{text}");
        }
    }

    /// Versions are copied from a terminal into a search: broken ones are of no use.
    #[test]
    fn a_column_goes_below_another_before_versions_are_broken() {
        let (old, new) = ("8:6.9.11.60+dfsg-1.6+deb12u11", "8:6.9.11.60+dfsg-1.6+deb12u15");
        let table = || {
            let header = ["source package", "packages", "from", "to", "fixes"];
            let mut table = Table::new(&header, &[1, 4]).stacking(2, 3, "→ ");
            table.row(["imagemagick", "imagemagick-6-common", old, new, "10 critical, 34 high"]);
            table.row(["tar", "", "1.34", "", "1 low"]);
            table
        };
        let at = |width| table().render(Style { width: Some(width), ..Style::default() });
        insta::assert_snapshot!(at(80));
        for width in 80..140 {
            let text = at(width);
            assert!(text.contains(old) && text.contains(new), "{width}:\n{text}");
            assert_eq!(text.contains("→"), width < 108, "{width}:\n{text}");
        }
        let coloured = Style { width: Some(80), colour: Colour::Always, ..Style::default() };
        let text = table().render(coloured);
        assert_eq!(text.matches("\x1b[1m").count(), 2, "{text:?}");
        assert!(!table().render(Style::default()).contains('→'));
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        assert!(!table().render(Style::default()).contains('\x1b'));
        let text = table().render(Style { colour: Colour::Always, ..Style::default() });
        assert!(text.contains("\x1b[31mcritical\x1b[0m  CVE"), "{text:?}");
    }
}
