//! Terminals: bars on stderr when it is a terminal, plain lines otherwise, silence with
//! `-q`; colour only on a terminal and never with `NO_COLOR`.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use imgfix_host::progress::{Progress, SharedProgress, Task};
use imgfix_host::unfinished::Unfinished;
use imgfix_report::gate::Gate;
use imgfix_terminal::Colour;
use imgfix_terminal::Style;

use super::exit::Failure;
use super::log_lines;

/// Options that every subcommand takes.
#[derive(Debug, Args)]
pub struct OutputOptions {
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more on stderr
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to colour [default: on a terminal, unless NO_COLOR is set]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true
    )]
    color: When,
}

/// When to use something that only terminals show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// How much goes to stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Quiet,
    Normal,
    Verbose,
}

/// Where a subcommand writes.
pub struct Output {
    /// Whether results on stdout may be coloured.
    pub colour: bool,
    /// Columns of the terminal on stdout.
    width: Option<u16>,
    progress: SharedProgress,
    /// Of the progress, when it is shown as bars.
    bars: Option<MultiProgress>,
    unfinished: Unfinished,
}

impl Output {
    /// Looks at the terminals once.
    #[must_use]
    pub fn new(options: &OutputOptions) -> Self {
        let allowed = match options.color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::io::stdout().is_terminal()
            }
        };
        let level = match (options.quiet, options.verbose) {
            (true, _) => Level::Quiet,
            (false, 0) => Level::Normal,
            (false, _) => Level::Verbose,
        };
        let bars = std::io::stderr().is_terminal() && level > Level::Quiet;
        let bars = bars.then(MultiProgress::new);
        let progress: SharedProgress = match &bars {
            Some(multi) => Arc::new(Bars { multi: multi.clone(), level }),
            None => Arc::new(Lines { level }),
        };
        let width = std::io::stdout()
            .is_terminal()
            .then(|| console::Term::stdout().size_checked().map(|(_, columns)| columns))
            .flatten();
        Self { colour: allowed, width, progress, bars, unfinished: Unfinished::default() }
    }

    /// How results on stdout are laid out.
    #[must_use]
    pub fn style(&self) -> Style {
        Style {
            width: self.width,
            colour: if self.colour { Colour::Always } else { Colour::Never },
            ..Style::default()
        }
    }

    /// The watcher to hand to the pipeline.
    #[must_use]
    pub fn progress(&self) -> SharedProgress {
        Arc::clone(&self.progress)
    }

    /// What an interruption takes back.
    #[must_use]
    pub fn unfinished(&self) -> &Unfinished {
        &self.unfinished
    }

    /// The one line of an interruption, where the bars were. It is the last one: whoever wants
    /// to say more waits for the process's end.
    pub fn interrupted(&self, text: &str) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "imgfix: {}", log_lines::message(text));
        std::mem::forget(stderr);
    }

    /// Writes a result to stdout. A closed pipe (`| head`) is not an error.
    ///
    /// # Errors
    /// Any other write error.
    pub fn result(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let text = log_lines::result(text);
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// What a gate says, on stderr: at every verbosity when it is not passed.
    pub fn gate(&self, gate: &Gate) {
        if gate.passed {
            gate.lines().iter().for_each(|line| self.progress.message(line));
            return;
        }
        for line in gate.lines() {
            eprintln!("imgfix: {}", log_lines::message(&line));
        }
    }

    /// The one line of a failure, on stderr, at every verbosity.
    pub fn error(&self, failure: &Failure) {
        eprintln!("imgfix: error: {}", log_lines::message(&failure.to_string()));
    }
}

/// Plain lines: what started and what was said.
struct Lines {
    level: Level,
}

struct NoTask;

impl Task for NoTask {
    fn advance(&self, _bytes: u64) {}
}

impl Progress for Lines {
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        if self.level >= Level::Verbose {
            match total {
                Some(total) => {
                    eprintln!(
                        "imgfix: {} ({})",
                        log_lines::message(what),
                        indicatif::HumanBytes(total)
                    );
                }
                None => eprintln!("imgfix: {}", log_lines::message(what)),
            }
        }
        Box::new(NoTask)
    }
    fn step(&self, text: &str) -> Box<dyn Task> {
        self.message(text);
        Box::new(NoTask)
    }
    fn message(&self, text: &str) {
        if self.level >= Level::Normal {
            eprintln!("imgfix: {}", log_lines::message(text));
        }
    }
    fn warn(&self, text: &str) {
        if self.level >= Level::Normal {
            eprintln!("imgfix: warning: {}", log_lines::message(text));
        }
    }
    fn detail(&self, text: &str) {
        if self.level >= Level::Verbose {
            eprintln!("imgfix: {}", log_lines::message(text));
        }
    }
}

/// Bars with bytes and rate, for terminals.
struct Bars {
    multi: MultiProgress,
    level: Level,
}

struct BarTask {
    bar: ProgressBar,
    multi: MultiProgress,
}

impl Task for BarTask {
    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}

impl Drop for BarTask {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.multi.remove(&self.bar);
    }
}

impl Bars {
    /// Shows a bar until its task is dropped.
    fn show(&self, bar: ProgressBar, template: &str, what: &str) -> Box<dyn Task> {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let bar = self.multi.add(bar);
        bar.set_message(log_lines::message(what));
        bar.enable_steady_tick(Duration::from_millis(200));
        Box::new(BarTask { bar, multi: self.multi.clone() })
    }
}

impl Progress for Bars {
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        };
        let template = match total {
            Some(_) => "{msg:40!} {bar:20} {bytes:>10}/{total_bytes:<10} {bytes_per_sec}",
            None => "{msg:40!} {spinner} {bytes:>10} {bytes_per_sec}",
        };
        self.show(bar, template, what)
    }
    fn step(&self, text: &str) -> Box<dyn Task> {
        self.message(text);
        self.show(ProgressBar::new_spinner(), "{wide_msg} {spinner} {elapsed:>4}", text)
    }
    fn message(&self, text: &str) {
        let _ = self.multi.println(log_lines::message(text));
    }
    fn warn(&self, text: &str) {
        let _ = self.multi.println(format!("warning: {}", log_lines::message(text)));
    }
    fn detail(&self, text: &str) {
        if self.level >= Level::Verbose {
            self.message(text);
        }
    }
}
