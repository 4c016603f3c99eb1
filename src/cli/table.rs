//! The options of both programs as tables: what `docs/options.md` has, and the manual of the file of settings.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::args::{Connegd, Mkroot};

/// Options of connegd that its file of settings has no use for.
const NOT_IN_THE_FILE: [&str; 2] = ["config", "check-config"];
/// The heading whose options are a table of their own in the file.
const LIMITS: &str = "Limits";

/// What the page begins with.
const INTRODUCTION: &str = "\
# Options

All options of both programs, as `--help` has them. This page is made of the same definitions, by
`cargo run --example manual -- --table > docs/options.md`.

Whatever a flag of `connegd` says, the file that `--config FILE` names can say as well. Its keys are called like the
flags; those of the limits stand in the table `[limits]`. Flags win, then the file, then the defaults. An option that may
be repeated is a list in the file, and one without a value is `true`. [limits.md](limits.md) says more about limits,
[sending.md](sending.md) about `--io`, [hosting.md](hosting.md) about `--vhosts`, `--verify` and `--reuse-port`. What a
*site* says, in `.mkroot.toml`, is in [site-settings.md](site-settings.md).
";

/// A file of settings of the server.
pub const EXAMPLE: &str = "\
serve = \"/srv/site.webroot\"
listen = [\"127.0.0.1:8080\", \"[::1]:8080\"]
reuse-port = true
[limits]
header-timeout = 10
";

/// Options under one heading of `--help`.
#[derive(Clone, Debug)]
pub struct Group {
    /// The heading.
    pub heading: String,
    /// The options, in their order.
    pub rows: Vec<Row>,
}

/// An option, or what stands without one.
#[derive(Clone, Debug)]
pub struct Row {
    /// `--listen`; long before short; none for what stands without an option.
    pub names: Vec<String>,
    /// `ADDR:PORT`; in brackets if it can be left out.
    pub value: Option<String>,
    /// Whether it may be repeated.
    pub is_list: bool,
    /// What holds if nothing is said.
    pub default: Option<String>,
    /// What it is called in the file of settings.
    pub key: Option<String>,
    /// What `--help` says, without the default.
    pub meaning: String,
}

/// The options of a command as `--help` has them, without those of its subcommands.
pub fn groups(command: &Command) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let heading = argument.get_help_heading().unwrap_or(match argument.is_positional() {
            true => "Arguments",
            false => "Options",
        });
        let row = Row::of(argument);
        match groups.iter_mut().find(|group| group.heading == heading) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { heading: heading.into(), rows: vec![row] }),
        }
    }
    // Arguments come first and options without a heading of their own next, as clap has them.
    groups.sort_by_key(|group| match group.heading.as_str() {
        "Arguments" => 0,
        "Options" => 1,
        _ => 2,
    });
    groups
}

impl Row {
    fn of(argument: &Arg) -> Row {
        let long = argument.get_long().map(|long| format!("--{long}"));
        let short = argument.get_short().map(|short| format!("-{short}"));
        let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let (meaning, default) = without_default(&help);
        Row {
            names: long.into_iter().chain(short).collect(),
            value: value(argument),
            is_list: matches!(argument.get_action(), ArgAction::Append),
            default,
            key: key(argument),
            meaning,
        }
    }
}

fn value(argument: &Arg) -> Option<String> {
    if !matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) {
        return None;
    }
    let names: Vec<_> = argument.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
    let can_be_left_out = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
    let names = names.join(" ");
    let equals = if argument.is_require_equals_set() { "=" } else { "" };
    Some(if can_be_left_out { format!("[{equals}{names}]") } else { names })
}

/// What an argument of connegd is called in its file of settings.
fn key(argument: &Arg) -> Option<String> {
    let name = match argument.get_long() {
        Some(long) => Some(long).filter(|long| !NOT_IN_THE_FILE.contains(long))?,
        None if argument.is_positional() => "serve",
        None => return None,
    };
    let is_limit = argument.get_help_heading() == Some(LIMITS);
    Some(if is_limit { format!("limits.{name}") } else { name.into() })
}

/// A text in one line, and what it says between `[default: ` and `]`, which is left away.
fn without_default(help: &str) -> (String, Option<String>) {
    let text = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = if text.ends_with(['.', '`']) { text } else { text + "." };
    let Some((before, behind)) = text.split_once(" [default: ") else { return (text, None) };
    let Some((default, behind)) = behind.split_once(']') else { return (text.clone(), None) };
    (format!("{before}{behind}"), Some(default.into()))
}

/// The page `docs/options.md`.
pub fn page() -> String {
    let mut page = format!("{INTRODUCTION}\n```toml\n{EXAMPLE}```\n\n## connegd\n");
    for group in groups(&Connegd::command()) {
        let _ = write!(page, "\n### {}\n\n{}", group.heading, table(&group.rows, true));
    }
    let mkroot = Mkroot::command();
    let _ = write!(page, "\n## mkroot\n\nWithout the name of a command it packs a site.\n\n{}", all(&mkroot));
    for command in mkroot.get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = write!(page, "\n### mkroot {}\n\n{about}.\n\n{}", command.get_name(), all(command));
    }
    page
}

/// All options of a command as one table.
fn all(command: &Command) -> String {
    let rows: Vec<_> = groups(command).into_iter().flat_map(|group| group.rows).collect();
    table(&rows, false)
}

fn table(rows: &[Row], has_keys: bool) -> String {
    let mut table = String::from("| option | value | default |");
    table += if has_keys { " key | meaning |\n|---|---|---|---|---|\n" } else { " meaning |\n|---|---|---|---|\n" };
    for row in rows {
        let names: Vec<_> = row.names.iter().map(|name| code(name)).collect();
        let coded = |text: &Option<String>| text.as_deref().map(code).unwrap_or_default();
        // What is said in words is not typed.
        let default = row.default.as_deref().filter(|default| default.contains(' '));
        let default = default.map_or_else(|| coded(&row.default), String::from);
        let _ = write!(table, "| {} | {} | {default} |", names.join(", "), coded(&row.value));
        if has_keys {
            let _ = write!(table, " {} |", coded(&row.key));
        }
        let _ = writeln!(table, " {} |", row.meaning.replace('|', "\\|"));
    }
    table
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}
