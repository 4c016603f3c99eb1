//! The manual of both programs, made of their own definitions: man pages and completions for shells into a directory, or
//! `docs/options.md` onto standard output.
//!
//! `cargo run --example manual -- DIR`, `cargo run --example manual -- --table`

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use connegd::cli::args::{Connegd, Mkroot};
use connegd::cli::help::{self, Ending};
use connegd::cli::table;

const MANUAL: &str = "connegd";
/// Pages have no date, so that they come out the same whenever they are made.
const DATE: &str = " ";

fn main() -> io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("--table") => io::stdout().write_all(table::page().as_bytes()),
        Some(directory) if !directory.starts_with('-') => write_to(Path::new(directory)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "expected a directory, or --table")),
    }
}

fn write_to(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (command, ending) in [(Connegd::command(), help::CONNEGD), (Mkroot::command(), help::MKROOT)] {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let name = command.get_name().to_string();
            generate_to(shell, &mut command.clone(), name, directory)?;
        }
        // `--help` has no page, and `help` would be one for it.
        let mut command = command.disable_help_subcommand(true);
        command.build();
        for below in command.get_subcommands() {
            write_page(below, &Ending { examples: &[], ..ending }, directory)?;
        }
        write_page(&command, &ending, directory)?;
    }
    settings(&Connegd::command()).to_writer(&mut File::create(directory.join("connegd.toml.5"))?)
}

/// The page of a command.
fn write_page(command: &Command, ending: &Ending, directory: &Path) -> io::Result<()> {
    let version = format!("connegd {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).manual(MANUAL).source(version).date(DATE);
    let file = &mut File::create(directory.join(man.get_filename()))?;
    man.render_title(file)?;
    man.render_name_section(file)?;
    man.render_synopsis_section(file)?;
    man.render_description_section(file)?;
    man.render_options_section(file)?;
    if command.has_subcommands() {
        man.render_subcommands_section(file)?;
    }
    end(ending).to_writer(file)
}

/// What a page ends with.
fn end(ending: &Ending) -> Roff {
    let mut roff = Roff::new();
    if !ending.examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
    }
    for (command, meaning) in ending.examples {
        roff.control("TP", []).text([bold(*command)]).text([roman(*meaning)]);
    }
    roff.control("SH", ["EXIT STATUS"]).text([roman(ending.exit_status)]);
    roff.control("SH", ["SEE ALSO"]).text([roman(ending.read_on)]);
    roff
}

/// The page of connegd's file of settings.
fn settings(connegd: &Command) -> Roff {
    let mut roff = Roff::new();
    let version = format!("connegd {}", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["connegd.toml", "5", DATE, &version, MANUAL]);
    roff.control("SH", ["NAME"]).text([roman("connegd.toml - settings of the web server connegd")]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold("connegd --config "), italic("FILE")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman("The file is TOML. Its keys are called like the flags of connegd(1), which win over it.")]);
    roff.text([roman("Times are whole seconds, and texts stand in quotes.")]);
    for group in table::groups(connegd) {
        let keyed: Vec<_> = group.rows.iter().filter_map(|row| Some((row.key.as_deref()?, row))).collect();
        if !keyed.is_empty() {
            roff.control("SH", [group.heading.to_uppercase().as_str()]);
        }
        for (key, row) in keyed {
            let value = row.value.as_deref().unwrap_or("true|false");
            let value = if row.is_list { format!("[{value}, …]") } else { value.into() };
            roff.control("TP", []).text([bold(key), roman(" = "), italic(value)]).text([roman(&row.meaning)]);
            if let Some(default) = &row.default {
                roff.text([roman(format!("The default is {default}."))]);
            }
        }
    }
    roff.control("SH", ["EXAMPLE"]).control("EX", []);
    for line in table::EXAMPLE.lines() {
        roff.text([roman(line)]);
    }
    roff.control("EE", []).control("SH", ["FILES"]);
    roff.text([roman("/etc/connegd/connegd.toml is what the service of the Debian package reads.")]);
    roff.control("SH", ["SEE ALSO"]).text([roman("connegd(1), mkroot(1)")]);
    roff
}
